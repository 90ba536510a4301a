//! The stage `learn`: a small model trained from nothing on real Rust code, its loss step by step.
//!
//! The weights at the beginning are written as a transformers checkpoint, so that the peer begins with
//! the same numbers, and both read the same tokens in the same order. All weights are trained, in f32;
//! activations are those of the device. The curves are compared by `curves.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use miette::{Context, IntoDiagnostic, miette};
use serde_json::json;
use sigil_kernels::{DType, Kernels, Matrix, trial::wait};
use sigil_model::{
    CheckpointPolicy, Decoder, LoadOptions, Mode, Parameters, Pass, TokenBatch,
    decoder::LayerPolicies,
    load::{Source, load},
};
use sigil_qlora::optimizer::{AdamWSettings, Optimizer};
use sigil_weights::{
    DecoderConfig,
    tensor_files::{TensorToWrite, write_safetensors},
};

use super::{
    code,
    command::{RunArguments, Shape},
    stages::{Found, Speaker, used_bytes},
};

/// The folder in the results with the weights at the beginning and what the peer must do.
pub(crate) const FOLDER: &str = "learn-initial";

/// What is trained and for how long; the peer reads it from `plan.json`.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Plan {
    /// Tokens of a row.
    pub(crate) length: usize,
    /// Rows of a step.
    pub(crate) rows: usize,
    /// Steps.
    pub(crate) steps: usize,
    /// Steps in which the learning rate rises.
    pub(crate) warmup: usize,
    /// Largest learning rate.
    pub(crate) learning_rate: f64,
    /// Rows held out for the evaluation, at the beginning of the tokens.
    pub(crate) held_out: usize,
    /// Held-out loss that must be reached, in nats a token.
    pub(crate) wanted_loss: f64,
}

impl Plan {
    /// The sizes: 9.8 million tokens for 79 million weights, or seconds on a CPU. A fifteenth of those
    /// weights had a loss of 3.23 after 4.1 million tokens of such code.
    pub(crate) fn of(shape: Shape) -> Self {
        if shape == Shape::Toy {
            return Self {
                length: 64,
                rows: 4,
                steps: 40,
                warmup: 5,
                learning_rate: 3e-3,
                held_out: 8,
                wanted_loss: 7.8,
            };
        }
        Self {
            length: 1024,
            rows: 16,
            steps: 600,
            warmup: 60,
            learning_rate: 6e-4,
            held_out: 64,
            wanted_loss: 3.2,
        }
    }

    /// Tokens that are read: the held-out rows, then one row after another, each with the token that
    /// follows it.
    pub(crate) fn tokens(&self) -> usize {
        (self.held_out + self.rows * self.steps) * self.length + 1
    }

    /// Linear warm-up, then a cosine to a tenth.
    fn rate(&self, step: usize) -> f64 {
        if step < self.warmup {
            return self.learning_rate * (step + 1) as f64 / self.warmup as f64;
        }
        let done = (step - self.warmup) as f64 / (self.steps - self.warmup) as f64;
        self.learning_rate * (0.55 + 0.45 * (done * std::f64::consts::PI).cos())
    }
}

fn config_text(shape: Shape) -> String {
    let [layers, hidden, intermediate, heads, kv_heads, head_dim] =
        if shape == Shape::Toy { [2, 64, 128, 2, 1, 32] } else { [12, 768, 2048, 12, 4, 64] };
    format!(
        r#"{{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 4096,
  "hidden_size": {hidden}, "intermediate_size": {intermediate}, "num_hidden_layers": {layers},
  "num_attention_heads": {heads}, "num_key_value_heads": {kv_heads}, "head_dim": {head_dim},
  "hidden_act": "silu", "max_position_embeddings": 1024, "rms_norm_eps": 1e-5,
  "rope_theta": 10000.0, "tie_word_embeddings": true, "initializer_range": 0.02,
  "bos_token_id": null, "eos_token_id": 0}}"#
    )
}

/// The carried tokens, or those of this repository's own code where nothing was packed.
fn tokens(most: usize) -> miette::Result<Vec<u16>> {
    let packed = std::env::current_exe().ok().map(|program| program.with_file_name(code::PACKED));
    if let Some(packed) = packed.filter(|path| path.is_file()) {
        let mut ids = code::read(&packed)?;
        ids.truncate(most);
        return Ok(ids);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    code::gather(&root.join("crates"), &root.join("configs/sigil-base/tokenizer.json"), most)
}

/// Runs the one case.
pub(crate) fn run<B: Kernels>(
    speaker: &mut Speaker<'_>,
    device: &B::Device,
    dtype: DType,
    arguments: &RunArguments,
) -> miette::Result<()> {
    let plan = Plan::of(arguments.shape);
    let name = format!("{} steps of {} tokens", plan.steps, plan.rows * plan.length);
    speaker.case(&name, || {
        let mut learner = Learner::<B>::new(plan, arguments, device, dtype)?;
        learner.learn(arguments)
    })
}

struct Learner<B: Kernels> {
    plan: Plan,
    tokens: Vec<u16>,
    decoder: Decoder<B>,
    parameters: Parameters<B>,
    optimizer: Optimizer<B>,
}

impl<B: Kernels> Learner<B> {
    fn new(
        plan: Plan,
        arguments: &RunArguments,
        device: &B::Device,
        dtype: DType,
    ) -> miette::Result<Self> {
        let tokens = tokens(plan.tokens())?;
        if tokens.len() < plan.tokens() {
            return Err(miette!("{} tokens, and {} are needed", tokens.len(), plan.tokens()));
        }
        let text = config_text(arguments.shape);
        let config = DecoderConfig::parse(text.as_bytes(), Path::new("the built-in config"))
            .map_err(|error| miette!("{error}"))?;
        let options = LoadOptions {
            mode: Mode::Full,
            adapter: None,
            max_sequence_length: plan.length,
            compute: dtype,
            seed: 42,
        };
        let (decoder, parameters) =
            load::<B>(&config, Source::Fresh, &options, device, &mut |_, _| ())
                .map_err(|error| miette!("{error}"))?;
        write_beginning(&arguments.out.join(FOLDER), &text, &plan, &parameters, &tokens)?;
        let adamw = AdamWSettings { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weight_decay: 0.1 };
        let optimizer = Optimizer::new(adamw, &parameters);
        Ok(Self { plan, tokens, decoder, parameters, optimizer })
    }

    /// Rows from `first` on, each a document.
    fn batch(&self, first: usize, rows: usize) -> TokenBatch<B> {
        let length = self.plan.length;
        let inside = &self.tokens[first * length..(first + rows) * length + 1];
        let tokens: Vec<u32> = inside[..rows * length].iter().map(|&id| u32::from(id)).collect();
        let targets = inside[1..].iter().map(|&id| i32::from(id)).collect();
        let starts = (0..=rows).map(|row| (row * length) as u32).collect();
        TokenBatch::new(&tokens, targets, starts, &self.decoder.device)
    }

    fn step(&mut self, step: usize) -> miette::Result<f64> {
        let batch = self.batch(self.plan.held_out + step * self.plan.rows, self.plan.rows);
        let count = batch.target_count();
        let pass = Pass { training: true, seed: step as u64, neftune_alpha: None };
        let policies =
            LayerPolicies::uniform(CheckpointPolicy::None, self.decoder.config.num_layers);
        self.parameters.clear_gradients();
        let scale = 1.0 / count as f32;
        let nll = B::with_exact_memory(&self.decoder.device, || {
            self.decoder.train(&batch, &mut self.parameters, scale, &pass, &policies)
        });
        let gradients: Vec<Matrix<B>> =
            self.parameters.iter().filter_map(|parameter| parameter.gradient.clone()).collect();
        let norm = B::sum_of_squares(&gradients).sqrt();
        drop(gradients);
        let factor = (1.0 / (norm + 1e-6)).min(1.0);
        self.optimizer.step(&mut self.parameters, self.plan.rate(step), factor);
        Ok(nll.iter().map(|&loss| f64::from(loss)).sum::<f64>() / count as f64)
    }

    /// Mean loss of the held-out rows.
    fn evaluate(&self) -> f64 {
        let mut total = 0.0;
        for first in (0..self.plan.held_out).step_by(self.plan.rows) {
            let rows = self.plan.rows.min(self.plan.held_out - first);
            let nll = self.decoder.evaluate(&self.batch(first, rows), &self.parameters);
            total += nll.iter().map(|&loss| f64::from(loss)).sum::<f64>();
        }
        total / (self.plan.held_out * self.plan.length) as f64
    }

    fn learn(&mut self, arguments: &RunArguments) -> miette::Result<Found> {
        let mut losses = vec![];
        let mut begun = Instant::now();
        let mut used = vec![];
        for step in 0..self.plan.steps {
            losses.push(self.step(step)?);
            if step == 9 {
                // Kernels have been compiled and chosen.
                begun = Instant::now();
            }
            if step == 20 || step + 1 == self.plan.steps {
                used.push(used_bytes(arguments.device).unwrap_or(0));
            }
        }
        wait::<B>(&self.decoder.device).map_err(|error| miette!("{error}"))?;
        let seconds = begun.elapsed().as_secs_f64();
        let rate = ((self.plan.steps - 10) * self.plan.rows * self.plan.length) as f64 / seconds;
        let held_out = self.evaluate();
        let last = tail_mean(&losses);
        Ok(Found {
            ok: held_out <= self.plan.wanted_loss,
            text: format!(
                "loss {:.3} to {last:.3}, held out {held_out:.4}, at most {}; {rate:.0} tok/s",
                losses[0], self.plan.wanted_loss,
            ),
            figures: json!({
                "losses": losses, "held_out_loss": held_out, "tokens_per_second": rate,
                "parameters": self.parameters.count(), "plan": self.plan,
                "used_bytes_early_and_late": used,
            }),
        })
    }
}

/// Mean of the last hundred losses, or of the last half where there are fewer than two hundred.
pub(crate) fn tail_mean(losses: &[f64]) -> f64 {
    let count = 100.min(losses.len().div_ceil(2)).max(1);
    let tail = &losses[losses.len().saturating_sub(count)..];
    tail.iter().sum::<f64>() / tail.len().max(1) as f64
}

/// Writes what the peer begins with: weights, config, plan, tokens.
fn write_beginning<B: Kernels>(
    folder: &Path,
    config: &str,
    plan: &Plan,
    parameters: &Parameters<B>,
    tokens: &[u16],
) -> miette::Result<()> {
    let values: Vec<Vec<f32>> = parameters
        .iter()
        .map(|parameter| parameter.value.to_data().iter::<f32>().collect())
        .collect();
    let tensors: Vec<TensorToWrite<'_>> = parameters
        .iter()
        .zip(&values)
        .map(|(one, values)| TensorToWrite::f32(one.name.as_str(), &one.file_shape, values))
        .collect();
    let metadata: BTreeMap<String, String> = [("format".to_owned(), "pt".to_owned())].into();
    let model = write_safetensors(&tensors, &metadata).map_err(|error| miette!("{error}"))?;
    let plan = serde_json::to_vec(plan).into_diagnostic()?;
    let write = |name: &str, bytes: &[u8]| {
        let path: PathBuf = folder.join(name);
        std::fs::write(&path, bytes)
            .into_diagnostic()
            .wrap_err_with(|| format!("writing {}", path.display()))
    };
    std::fs::create_dir_all(folder).into_diagnostic()?;
    write("model.safetensors", &model)?;
    write("config.json", config.as_bytes())?;
    write("plan.json", &plan)?;
    let tokens: Vec<u8> = tokens.iter().flat_map(|id| id.to_le_bytes()).collect();
    write("tokens.bin", &tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_carried_tokens_are_enough_and_the_rate_goes_up_and_down() {
        for shape in [Shape::Toy, Shape::Llama8b] {
            let plan = Plan::of(shape);
            assert!(plan.tokens() <= super::super::pack::MOST_TOKENS);
            assert!((plan.rate(plan.warmup) - plan.learning_rate).abs() < 1e-12);
            assert!((plan.rate(plan.steps) / plan.learning_rate - 0.1).abs() < 1e-9);
            assert!(plan.rate(0) < plan.rate(1));
        }
    }

    #[test]
    fn the_mean_is_that_of_the_end() {
        assert_eq!(tail_mean(&[9.0, 9.0, 1.0, 3.0]), 2.0);
        let losses: Vec<f64> = (0..300).map(|i| if i < 200 { 9.0 } else { 1.0 }).collect();
        assert_eq!(tail_mean(&losses), 1.0);
    }
}
