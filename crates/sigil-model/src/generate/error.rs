//! What can be wrong with a request.

/// An error of generation.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// A setting that means nothing.
    #[error("`{setting}` is {value}, and {rule}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What it was set to.
        value: String,
        /// What it must be.
        rule: &'static str,
    },
    /// A prompt without tokens.
    #[error("prompt {request} has no tokens")]
    EmptyPrompt {
        /// Index of the request.
        request: usize,
    },
    /// A prompt that leaves no room for an answer.
    #[error("prompt {request} has {tokens} tokens, and there is room for {most}")]
    PromptTooLong {
        /// Index of the request.
        request: usize,
        /// Its length.
        tokens: usize,
        /// The longest that leaves room for one token.
        most: usize,
    },
    /// A token that the model does not have.
    #[error("prompt {request} holds the token {token}, and the model has {vocabulary}")]
    UnknownToken {
        /// Index of the request.
        request: usize,
        /// The token.
        token: u32,
        /// Number of tokens of the model.
        vocabulary: usize,
    },
}

impl GenerateError {
    /// What to do about it, where the user can do something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::PromptTooLong { .. } => {
                Some("shorten the prompt, or use a model with a longer context")
            }
            Self::UnknownToken { .. } => Some("the tokenizer does not belong to this model"),
            _ => None,
        }
    }
}
