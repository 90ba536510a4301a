//! `[evaluation]`: what is held out from training, and when it is scored.
//!
//! Only the loss on held-out rows; judging generated samples with the compiler is another tool.
//! Read next: `dataset.rs` (where the rows come from), `train.rs` (`load_best_model_at_end`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is held out from training and when it is scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluationSettings {
    /// Share of the training sources that is held out, from 0 (none) to below 1.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub fraction: f64,
    /// Crates or repositories that are held out by name, besides the fraction.
    #[schemars(extend("type" = ["array", "string"]))]
    pub groups: Vec<String>,
    /// What the fraction is drawn by: whole crates or repositories (`group`), or single rows.
    pub hold_out_by: HoldOutBy,
    /// Sources that are only evaluated on, written like `dataset.names`.
    #[schemars(extend("type" = ["array", "string"]))]
    pub names: Vec<String>,
    /// Seed of the choice of what is held out; apart from `run.seed`, so that runs with different
    /// seeds stay comparable.
    pub seed: u64,
    /// Score every this many steps. Not set: before the first step and after the last.
    #[schemars(range(min = 1))]
    pub every_steps: Option<usize>,
    /// Score at most this many held-out rows. Not set: all of them.
    #[schemars(range(min = 1))]
    pub max_rows: Option<usize>,
    /// Stop after this many evaluations in a row without a better loss. Not set: never.
    #[schemars(range(min = 1))]
    pub early_stopping_patience: Option<usize>,
    /// By how much the loss has to fall to count as better.
    #[schemars(range(min = 0.0))]
    pub early_stopping_min_delta: f64,
}

impl EvaluationSettings {
    /// Returns whether anything is held out by these settings. (Rows that a source itself marks as
    /// validation rows are held out in any case.)
    pub fn has_split(&self) -> bool {
        self.fraction > 0.0 || !self.names.is_empty() || !self.groups.is_empty()
    }
}

impl Default for EvaluationSettings {
    fn default() -> Self {
        Self {
            fraction: 0.0,
            groups: Vec::new(),
            hold_out_by: HoldOutBy::Group,
            names: Vec::new(),
            seed: 42,
            every_steps: None,
            max_rows: None,
            early_stopping_patience: None,
            early_stopping_min_delta: 0.0,
        }
    }
}

/// What the held-out fraction is drawn by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HoldOutBy {
    /// Whole crates or repositories, so that no file of one is on both sides.
    Group,
    /// Single rows.
    Row,
}
