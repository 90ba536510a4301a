//! `[sequence]`: how rows become sequences of tokens.
//!
//! Read next: `train.rs` (how many sequences make a batch).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How rows become sequences of tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SequenceSettings {
    /// Longest sequence, in tokens. Longer rows are cut into pieces, nothing is thrown away.
    #[schemars(range(min = 2))]
    pub max_length: usize,
    /// Fill sequences with several documents (true) or give each document its own (false).
    /// Attention and positions never cross a document's boundary, so the loss per token is the
    /// same either way.
    pub pack: bool,
}

impl Default for SequenceSettings {
    fn default() -> Self {
        Self { max_length: 4096, pack: true }
    }
}
