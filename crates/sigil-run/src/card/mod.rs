//! The model card: a `README.md` that says what an adapter is, how it was made and how good it is.
//!
//! Front matter as the Hugging Face Hub reads it (`huggingface.co/docs/hub/model-cards`), then
//! Markdown. Every value is escaped (`escape.rs`), nothing is guessed: a section without facts is
//! left out, and there are no placeholders. The caller gathers the facts; this crate knows no config.

mod escape;
mod front_matter;
mod judged;

use std::fmt::Write as _;

use crate::card::escape::{code_block, inline, number};
use crate::metrics::MetricsRow;

pub use judged::card_with_judged;

/// A model or dataset a card refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardSource {
    /// Its name or path, as the user gave it.
    pub name: String,
    /// Whether it is a repository on the Hub; others are named in the text, not in the front matter.
    pub is_on_hub: bool,
}

/// A measured result for the `model-index`.
#[derive(Debug, Clone, PartialEq)]
pub struct CardMetric {
    /// The dataset or benchmark it was measured on.
    pub dataset: String,
    /// The Hub's type of metric, such as `loss`, `perplexity` or `pass@1`.
    pub kind: String,
    /// The name shown, such as `Evaluation loss`.
    pub name: String,
    /// The value; results that are not finite are left out.
    pub value: f64,
}

/// The facts of a model card. Tables are `(name, value)` in the order to be shown.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelCard {
    /// The heading and the model's name in the `model-index`.
    pub title: String,
    /// What the model is for, in plain text; blank lines make paragraphs.
    pub description: String,
    /// The base model.
    pub base_model: Option<CardSource>,
    /// The Hub's library name; `peft` for an adapter.
    pub library_name: String,
    /// The Hub's licence identifier, when it is known.
    pub license: Option<String>,
    /// The Hub's task, such as `text-generation`.
    pub pipeline_tag: String,
    /// Tags for the Hub's search.
    pub tags: Vec<String>,
    /// The training data.
    pub datasets: Vec<CardSource>,
    /// The optimizer step of this checkpoint.
    pub step: u64,
    /// The exact command that makes this model again.
    pub command: String,
    /// The resolved config, as TOML.
    pub config_toml: String,
    /// Rank, alpha, dropout, target modules and so on.
    pub lora: Vec<(String, String)>,
    /// Kind of 4-bit quantization, double quantization and so on; empty when there is none.
    pub quantization: Vec<(String, String)>,
    /// What the data were: counts, filters, split.
    pub data: Vec<(String, String)>,
    /// The last logged row.
    pub metrics: Option<MetricsRow>,
    /// Results for the `model-index`.
    pub results: Vec<CardMetric>,
    /// Every seed, by what it seeds.
    pub seeds: Vec<(String, u64)>,
    /// Versions of the program and of what decides the numbers.
    pub versions: Vec<(String, String)>,
    /// What the model should not be trusted with, one paragraph each.
    pub limitations: Vec<String>,
}

impl ModelCard {
    /// The contents of `README.md`.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = front_matter::render(self);
        let _infallible = self.write_body(&mut text);
        text
    }

    fn write_body(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "\n# {}", inline(&self.title))?;
        for paragraph in self.description.split("\n\n").filter(|text| !text.trim().is_empty()) {
            writeln!(text, "\n{}", inline(paragraph.trim()))?;
        }
        let mut model = Vec::new();
        // A model that was put together has no step of its own.
        if self.step > 0 {
            model.push(("Optimizer step".to_owned(), self.step.to_string()));
        }
        if let Some(base) = &self.base_model {
            model.insert(0, ("Base model".to_owned(), base.name.clone()));
        }
        write_table(text, "Model", &model)?;
        if !self.command.is_empty() {
            writeln!(text, "\n## Command\n\n{}", code_block("sh", &self.command))?;
        }
        write_table(text, "LoRA", &self.lora)?;
        write_table(text, "Quantization", &self.quantization)?;
        self.write_data(text)?;
        self.write_metrics(text)?;
        let seeds: Vec<_> =
            self.seeds.iter().map(|(name, seed)| (name.clone(), seed.to_string())).collect();
        write_table(text, "Seeds", &seeds)?;
        write_table(text, "Versions", &self.versions)?;
        if !self.config_toml.is_empty() {
            writeln!(text, "\n## Config\n\n{}", code_block("toml", &self.config_toml))?;
        }
        if !self.limitations.is_empty() {
            writeln!(text, "\n## Limitations\n")?;
            for limitation in &self.limitations {
                writeln!(text, "- {}", inline(limitation))?;
            }
        }
        Ok(())
    }

    fn write_data(&self, text: &mut String) -> std::fmt::Result {
        let sources = self.datasets.iter().map(|source| ("Source".to_owned(), source.name.clone()));
        write_table(text, "Data", &sources.chain(self.data.iter().cloned()).collect::<Vec<_>>())
    }

    fn write_metrics(&self, text: &mut String) -> std::fmt::Result {
        let mut rows = Vec::new();
        if let Some(row) = &self.metrics {
            rows.push(("step".to_owned(), row.step.to_string()));
            rows.extend(row.tags().into_iter().map(|(tag, value)| (tag, number(value))));
        }
        let results = self.results.iter();
        rows.extend(
            results.map(|result| {
                (format!("{} ({})", result.name, result.dataset), number(result.value))
            }),
        );
        write_table(text, "Metrics so far", &rows)
    }
}

fn write_table(text: &mut String, heading: &str, rows: &[(String, String)]) -> std::fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n## {heading}\n\n| | |\n|---|---|")?;
    rows.iter()
        .try_for_each(|(name, value)| writeln!(text, "| {} | {} |", inline(name), inline(value)))
}
