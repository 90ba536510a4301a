//! What can go wrong with a tokenizer. Next: `loaded.rs`.

use std::path::PathBuf;

/// Says why a tokenizer cannot be loaded, used or trained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// A tokenizer file cannot be read.
    #[error("cannot read the tokenizer file `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// `tokenizer.json` is not JSON, or not a tokenizer.
    #[error("`{}` is not a usable tokenizer: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the parser said, with line and column where it knows them.
        reason: String,
    },
    /// A file beside the tokenizer (`tokenizer_config.json` and so on) is not valid JSON.
    #[error("`{}` is not valid JSON", path.display())]
    DamagedConfig {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// A special token is named in a config file but is not in the vocabulary.
    #[error("`{}` names {role} token `{token}`, which the vocabulary does not have", path.display())]
    UnknownSpecial {
        /// The file that names it.
        path: PathBuf,
        /// `bos`, `eos` or `pad`.
        role: &'static str,
        /// The token as written.
        token: String,
    },
    /// A text cannot be encoded with this vocabulary.
    #[error("cannot encode a text of {bytes} bytes: {reason}")]
    Encode {
        /// Length of the text.
        bytes: usize,
        /// What the tokenizer said.
        reason: String,
    },
    /// Token ids cannot be decoded.
    #[error("cannot decode {tokens} tokens: {reason}")]
    Decode {
        /// Number of ids.
        tokens: usize,
        /// What the tokenizer said.
        reason: String,
    },
    /// A vocabulary cannot be trained with these settings.
    #[error("cannot train a vocabulary: {reason}")]
    Train {
        /// Why.
        reason: String,
    },
}

impl TokenizerError {
    /// Returns what the user can do about it, if anything.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Some(
                "a model folder needs `tokenizer.json`; models that ship only `tokenizer.model` \
                 must be converted with transformers first",
            ),
            Self::Damaged { .. } => Some(
                "fetch the file again: a file of a Git LFS pointer or a cut download looks like this",
            ),
            Self::UnknownSpecial { .. } => {
                Some("the tokenizer files of two models may have been mixed in one folder")
            }
            _ => None,
        }
    }
}
