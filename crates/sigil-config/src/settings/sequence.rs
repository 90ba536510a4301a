//! `[sequence]`: how rows become sequences of tokens.
//!
//! Read next: `train.rs` (how many sequences make a batch).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How rows become sequences of tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SequenceSettings {
    /// Longest sequence, in tokens. Longer rows are cut into pieces by default.
    #[schemars(range(min = 2))]
    pub max_length: usize,
    /// Fill sequences with several documents (true) or give each document its own (false).
    /// Attention and positions never cross a document's boundary, so the loss per token is the
    /// same either way.
    pub pack: bool,
    /// What becomes of rows longer than `max_length`.
    pub long_rows: LongRowsMode,
    /// Tokens that a piece of a long row repeats from the piece before it, as context that is not
    /// learned again.
    #[schemars(range(min = 1))]
    pub overlap: usize,
    /// Which rows go through the model's chat template.
    pub chat_template: ChatMode,
    /// Share of the rows without a prompt that are rearranged for filling in the middle; needs a
    /// model with special tokens for it.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub fim_rate: f64,
    /// Share of those whose suffix comes first.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub fim_spm_rate: f64,
    /// Where the middle of those lies.
    pub fim_spans: FimSpanMode,
}

impl Default for SequenceSettings {
    fn default() -> Self {
        Self {
            max_length: 4096,
            pack: true,
            long_rows: LongRowsMode::Split,
            overlap: 1,
            chat_template: ChatMode::Conversations,
            fim_rate: 0.0,
            fim_spm_rate: 0.5,
            fim_spans: FimSpanMode::Random,
        }
    }
}

/// What becomes of rows that are too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LongRowsMode {
    /// They are cut into pieces; every token is learned once.
    Split,
    /// They keep their beginning.
    Truncate,
}

/// Which rows go through the model's chat template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChatMode {
    /// Rows with several turns or a system text; a prompt and its completion are joined by an empty
    /// line.
    Conversations,
    /// Prompts with a completion as well.
    Always,
    /// None: a conversation is an error.
    Never,
}

/// Where the middle of a rearranged row lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FimSpanMode {
    /// Between two random characters.
    Random,
    /// Around a whole node of the syntax tree: an argument list, a statement, a block, an item.
    Syntax,
}
