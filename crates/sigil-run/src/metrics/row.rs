//! One row of `metrics.jsonl`.
//!
//! The names here are the names in the file. TensorBoard's tags for them are in `tags` below.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// What was measured at one logged step. Fields that were not measured are left out of the line.
///
/// A value that is not finite is written as `null` (JSON has no NaN) and read back as NaN.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsRow {
    /// The optimizer step just finished, from 1; 0 for measurements before training.
    pub step: u64,
    /// Mean training loss per target token since the last row, in nats.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "nan_if_null")]
    pub loss: Option<f64>,
    /// The learning rate of this step.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "nan_if_null")]
    pub learning_rate: Option<f64>,
    /// The global gradient norm before clipping.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "nan_if_null")]
    pub grad_norm: Option<f64>,
    /// Tokens trained on per second since the last row.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "nan_if_null")]
    pub tokens_per_second: Option<f64>,
    /// Tokens trained on since the run began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_seen: Option<u64>,
    /// Seconds of training since the run began, across resumes.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "nan_if_null")]
    pub seconds: Option<f64>,
    /// The most memory held so far, in bytes: of the device, or on the CPU of the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
    /// Mean loss per target token on the evaluation split, in nats.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "nan_if_null")]
    pub eval_loss: Option<f64>,
    /// The exponential of `eval_loss`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "nan_if_null")]
    pub eval_perplexity: Option<f64>,
    /// Anything else, by name.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "nan_if_null_each"
    )]
    pub extra: BTreeMap<String, f64>,
}

impl MetricsRow {
    /// An empty row for `step`.
    #[must_use]
    pub fn new(step: u64) -> Self {
        Self { step, ..Self::default() }
    }

    /// The row's values under TensorBoard's tags: `train/…`, `eval/…`, and for `extra` the name
    /// itself, below `train/` when it has no `/`.
    #[must_use]
    pub fn tags(&self) -> Vec<(String, f64)> {
        #[expect(clippy::cast_precision_loss, reason = "TensorBoard keeps f32 in any case")]
        let whole = |value: Option<u64>| value.map(|value| value as f64);
        let named = [
            ("train/loss", self.loss),
            ("train/learning_rate", self.learning_rate),
            ("train/grad_norm", self.grad_norm),
            ("train/tokens_per_second", self.tokens_per_second),
            ("train/tokens_seen", whole(self.tokens_seen)),
            ("train/seconds", self.seconds),
            ("train/peak_memory_bytes", whole(self.peak_memory_bytes)),
            ("eval/loss", self.eval_loss),
            ("eval/perplexity", self.eval_perplexity),
        ];
        let named =
            named.into_iter().filter_map(|(tag, value)| value.map(|value| (tag.to_owned(), value)));
        let extra = self.extra.iter().map(|(name, value)| {
            (if name.contains('/') { name.clone() } else { format!("train/{name}") }, *value)
        });
        named.chain(extra).collect()
    }

    /// The line of `metrics.jsonl`, with its newline.
    #[must_use]
    pub fn to_line(&self) -> String {
        let mut line = serde_json::to_string(self).expect("numbers and string keys serialize");
        line.push('\n');
        line
    }
}

/// A present `null` is a value that was not finite; an absent field is `None` by default.
fn nan_if_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Ok(Some(Option::deserialize(deserializer)?.unwrap_or(f64::NAN)))
}

fn nan_if_null_each<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, f64>, D::Error> {
    let values = BTreeMap::<String, Option<f64>>::deserialize(deserializer)?;
    Ok(values.into_iter().map(|(name, value)| (name, value.unwrap_or(f64::NAN))).collect())
}
