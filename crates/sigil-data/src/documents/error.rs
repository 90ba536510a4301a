//! What can go wrong between rows and documents. Next: `build.rs`.

use crate::chat::ChatError;
use crate::tokenizer::TokenizerError;

/// Says why rows cannot become documents.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// A row cannot be encoded.
    #[error("cannot encode the row `{row}`")]
    Encode {
        /// The row.
        row: String,
        /// Why.
        #[source]
        source: TokenizerError,
    },
    /// A row's conversation cannot be rendered.
    #[error("cannot render the row `{row}`: {source}")]
    Render {
        /// The row.
        row: String,
        /// Why.
        #[source]
        source: ChatError,
    },
    /// The chat template cannot be used.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// The tokenizer cannot encode a text.
    #[error(transparent)]
    Token(#[from] TokenizerError),
    /// Filling in the middle is wanted from a model that was not made for it.
    #[error("the tokenizer has no special tokens for filling in the middle")]
    NoFimTokens,
    /// EOS is to be trained, but the tokenizer has none.
    #[error("the tokenizer names no end-of-text token, so generation would never learn to stop")]
    NoEos,
    /// A setting is out of range.
    #[error("{name} = {value} is not usable with max_seq_len = {max_seq_len}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: usize,
        /// Tokens of a block.
        max_seq_len: usize,
    },
    /// More rows than a run can name.
    #[error("{rows} rows are more than one run can hold")]
    TooManyRows {
        /// Rows given.
        rows: usize,
    },
}

impl DocumentError {
    /// Returns what the user can do about it, if anything.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoEos => Some("set `eos_token` in the model's tokenizer_config.json"),
            Self::Setting { .. } => Some("raise max_seq_len or lower the other setting"),
            Self::Encode { source, .. } => source.hint(),
            Self::Token(source) => source.hint(),
            Self::Render { source, .. } | Self::Chat(source) => source.hint(),
            Self::NoFimTokens => Some("set `sequence.fim_rate = 0`, or take a model made for it"),
            Self::TooManyRows { .. } => None,
        }
    }
}
