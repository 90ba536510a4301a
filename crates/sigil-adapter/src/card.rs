//! Results in a model card that somebody may have edited.
//!
//! What is put in stands between marks, in the front matter and in the text; putting in again replaces
//! just that. A card without front matter gets none of this: it is not ours to restructure. The marks and
//! the tables are `sigil-run`'s; here are the numbers, read from what `sigil-eval` writes.

use std::path::Path;

use serde_json::Value;
use sigil_run::{CardMetric, card_with_judged};

use crate::AdapterError;

/// Numbers that go into a card.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Results {
    /// For the `model-index`.
    pub metrics: Vec<CardMetric>,
    /// Beside them in the text: how they came to be.
    pub facts: Vec<(String, String)>,
}

/// Rates of `sigil-eval`, and their names in a card.
const RATES: [(&str, &str); 3] = [
    ("pass_rate", "Share that passes its tests"),
    ("compile_rate", "Share that compiles"),
    ("clippy_pass_rate", "Share without lints"),
];

/// Reads the numbers of a `metrics.json`: that of an evaluation, or the one that a watcher keeps of a
/// checkpoint set, which has them under `metrics`.
///
/// # Errors
/// The file cannot be read or is no such file.
pub fn read_results(path: &Path) -> Result<Results, AdapterError> {
    let bytes = std::fs::read(path).map_err(AdapterError::read(path))?;
    let wrong = |what: String| AdapterError::read(path)(std::io::Error::other(what));
    let whole: Value = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    let metrics = if whole["metrics"].is_object() { &whole["metrics"] } else { &whole };
    let protocol = &metrics["protocol"];
    let Some(benchmark) = protocol["benchmark"].as_str() else {
        return Err(wrong(
            "it has no `protocol.benchmark`: it is no metrics.json of sigil-eval".to_owned(),
        ));
    };
    let mut results = Results::default();
    let mut put = |kind: String, name: String, value: Option<f64>| {
        if let Some(value) = value {
            results.metrics.push(CardMetric { dataset: benchmark.to_owned(), kind, name, value });
        }
    };
    if let Some(map) = metrics["pass_at"].as_object() {
        for (k, estimate) in map {
            put(format!("pass@{k}"), format!("pass@{k}"), estimate["value"].as_f64());
        }
    }
    for (rate, name) in RATES {
        put(rate.to_owned(), name.to_owned(), metrics["rates"][rate]["value"].as_f64());
    }
    let mut fact = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            results.facts.push((name.to_owned(), value));
        }
    };
    let number = |value: &Value| value.as_f64().map(|value| value.to_string());
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let judged = metrics["evaluated_samples"].as_u64().zip(metrics["tasks"].as_u64());
    fact("Samples judged", judged.map(|(samples, tasks)| format!("{samples} of {tasks} tasks")));
    fact("Checkpoint set", text(&whole["set"]));
    fact("Temperature", number(&protocol["temperature"]));
    fact("Seed", number(&protocol["seed"]));
    fact("Compiler", text(&protocol["rustc_version"]));
    fact("Sandbox", text(&protocol["sandbox"]));
    Ok(results)
}

/// The card with these results in place of those put in before; everything else stays as it was.
///
/// # Errors
/// [`AdapterError::NoCard`] for a text without front matter.
pub fn with_results(path: &Path, card: &str, results: &Results) -> Result<String, AdapterError> {
    card_with_judged(card, &results.metrics, &results.facts)
        .ok_or_else(|| AdapterError::NoCard { path: path.to_owned() })
}
