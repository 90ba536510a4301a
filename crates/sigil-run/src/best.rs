//! `best`: which checkpoint set had the best value of which metric.
//!
//! Not a judge: the caller decides what is better; this only remembers, and pruning spares the set.

use serde::{Deserialize, Serialize};

use crate::layout;

/// The best set so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// Name of the set's folder, such as `step-00000400`.
    pub set: String,
    /// Its step.
    pub step: u64,
    /// The metric it is best in, such as `eval_loss`.
    pub metric: String,
    /// The metric's value at that step; finite.
    pub value: f64,
}

impl Best {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("strings and finite numbers serialize");
        bytes.push(b'\n');
        bytes
    }

    /// Reads the bytes of a `best` file; the error is a fragment for a message.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let best: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if layout::step_of(&best.set) != Some(best.step) {
            return Err(format!("`{}` is not the set of step {}", best.set, best.step));
        }
        Ok(best)
    }
}
