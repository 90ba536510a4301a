//! What can go wrong with a chat template. Next: `template.rs`.

/// Says why a conversation cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChatError {
    /// The template itself is not valid.
    #[error("the chat template is not valid: {reason}")]
    Syntax {
        /// What the parser said, with the line.
        reason: String,
    },
    /// The template refuses this conversation, or fails on it.
    #[error("the chat template refuses the conversation: {reason}")]
    Refused {
        /// What the template or the engine said.
        reason: String,
    },
    /// The template ran too long.
    #[error("the chat template did not end within its budget of {fuel} steps")]
    TooLong {
        /// Steps allowed.
        fuel: u64,
    },
    /// The model has no template.
    #[error("there are conversations, but the model has no chat template")]
    NoTemplate,
    /// The assistant's turns cannot be found in the rendered text.
    #[error("the chat template rewrites the turns so that they cannot be found in its text")]
    Rewritten,
    /// Nothing tells the model to end its turn.
    #[error(
        "after an assistant turn the chat template has no special token, so generation would never learn to stop"
    )]
    NoStop,
}

impl ChatError {
    /// Says whether another conversation might do.
    pub(crate) fn is_of_the_row(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::TooLong { .. } | Self::Rewritten)
    }

    /// Returns what the user can do about it, if anything.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoTemplate => Some(
                "use the instruct model's tokenizer_config.json or chat_template.jinja, or give \
                 rows as prompt and completion",
            ),
            Self::NoStop | Self::Rewritten => {
                Some("the template file may belong to another model than the tokenizer")
            }
            _ => None,
        }
    }
}
