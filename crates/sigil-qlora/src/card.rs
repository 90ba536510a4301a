//! The model card of a checkpoint set.

use sigil_config::{Settings, TrainingMode};
use sigil_run::{CardMetric, CardSource, MetricsRow, ModelCard};

/// What the card says that does not change during a run.
#[derive(Clone, Debug)]
pub struct CardFacts {
    /// The effective settings.
    pub settings: Settings,
    /// The command that started the run.
    pub command: String,
    /// Rows and tokens read, kept and dropped, as label and text.
    pub data: Vec<(String, String)>,
    /// Versions of programs and libraries.
    pub versions: Vec<(String, String)>,
    /// Licence of the base model, if it is known.
    pub license: Option<String>,
}

impl CardFacts {
    /// Renders the card after `step`.
    pub fn render(&self, step: u64, metrics: &MetricsRow) -> String {
        let settings = &self.settings;
        let model = &settings.model;
        let is_on_hub = model.name.contains('/') && !std::path::Path::new(&model.name).exists();
        let source = |name: &str, is_on_hub| CardSource { name: name.to_owned(), is_on_hub };
        let full = model.mode == TrainingMode::Full;
        let method = match model.mode {
            TrainingMode::Qlora => "A LoRA adapter trained over a 4-bit base (QLoRA)",
            TrainingMode::Lora => "A LoRA adapter trained over an unquantized base",
            TrainingMode::Full => "A fully trained model",
        };
        let datasets = settings.dataset.names.iter();
        let results = metrics.eval_loss.iter().map(|&value| CardMetric {
            dataset: "held-out rows of the training sources".to_owned(),
            kind: "loss".to_owned(),
            name: "Mean loss per token (nats)".to_owned(),
            value,
        });
        let card = ModelCard {
            title: format!("{} after {step} steps", model.name),
            description: format!("{method}, made with sigil. Base: `{}`.", model.name),
            base_model: Some(source(&model.name, is_on_hub)),
            library_name: if full { "transformers" } else { "peft" }.to_owned(),
            license: self.license.clone(),
            pipeline_tag: "text-generation".to_owned(),
            tags: ["rust", "code", "sigil"]
                .into_iter()
                .chain((!full).then_some("lora"))
                .map(str::to_owned)
                .collect(),
            datasets: datasets
                .map(|name| source(name, name.contains('/') && !name.contains(':')))
                .collect(),
            step,
            command: self.command.clone(),
            config_toml: settings.to_toml(),
            lora: if full { vec![] } else { self.lora() },
            quantization: self.quantization(),
            data: self.data.clone(),
            metrics: Some(metrics.clone()),
            results: results.collect(),
            seeds: vec![
                ("run".to_owned(), settings.run.seed),
                ("evaluation split".to_owned(), settings.evaluation.seed),
            ],
            versions: self.versions.clone(),
            limitations: vec![
                "The training data was not checked for secrets or licences by this program"
                    .to_owned(),
                "Training ran no generated program; what was judged later, if anything, is under Judged samples".to_owned(),
            ],
        };
        card.render()
    }

    fn lora(&self) -> Vec<(String, String)> {
        let lora = &self.settings.lora;
        [
            ("rank", lora.r.to_string()),
            ("alpha", lora.alpha.to_string()),
            ("dropout", lora.dropout.to_string()),
            ("targets", lora.target_modules.join(", ")),
            ("rsLoRA", lora.use_rslora.to_string()),
        ]
        .map(|(label, value)| (label.to_owned(), value))
        .to_vec()
    }

    fn quantization(&self) -> Vec<(String, String)> {
        if self.settings.model.mode != TrainingMode::Qlora {
            return vec![];
        }
        let quantization = &self.settings.quantization;
        let kind = format!("{:?}", quantization.quant_type).to_lowercase();
        vec![
            ("type".to_owned(), kind),
            ("double quantization".to_owned(), quantization.use_double_quant.to_string()),
        ]
    }
}
