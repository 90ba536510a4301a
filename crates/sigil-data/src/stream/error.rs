//! What can go wrong with a stream of batches. Next: `mod.rs`.

use crate::Digest;
use crate::documents::DocumentError;
use crate::pipeline::PipelineError;

/// Says why a stream cannot be made or resumed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// Nothing to train on.
    #[error("the training set has no document")]
    Empty,
    /// A size of the plan is zero.
    #[error("{name} must be at least 1")]
    ZeroSize {
        /// The setting.
        name: &'static str,
    },
    /// A document is longer than a block.
    #[error("a document of `{row}` has {length} tokens, but max_seq_len is {max_seq_len}")]
    DocumentTooLong {
        /// The row it came from.
        row: String,
        /// Its tokens.
        length: usize,
        /// Tokens of a block.
        max_seq_len: usize,
    },
    /// The saved position belongs to other data.
    #[error("the saved position belongs to other data (saved {saved}, now {now})")]
    OtherData {
        /// Digest in the cursor.
        saved: Digest,
        /// Digest of the documents.
        now: Digest,
    },
    /// The saved position belongs to another order of the same data.
    #[error("the saved position belongs to another seed, shuffle, packing or max_seq_len")]
    OtherOrder,
    /// The rows cannot be had.
    #[error(transparent)]
    Rows(#[from] PipelineError),
    /// A row cannot be encoded.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// No thread can be started.
    #[error("no thread that loads rows can be started")]
    Thread(#[source] std::io::Error),
    /// The stream failed before and was not set to a position since.
    #[error("the rows cannot be read on after an error")]
    Failed,
    /// The length of a stream is asked for.
    #[error("how many steps an epoch has is not known of a stream before its end")]
    UnknownLength,
    /// The saved position lies past the end of its epoch.
    #[error("the saved position is block {block} of an epoch of {blocks} blocks")]
    PastEnd {
        /// Block in the cursor.
        block: u64,
        /// Blocks of that epoch.
        blocks: u64,
    },
}

impl StreamError {
    /// Returns what the user can do about it, if anything.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Empty => Some("look at the ledger: it counts every dropped row by reason"),
            Self::OtherData { .. } => Some(
                "put the files back as they were, or start a new run from the checkpoint's adapter",
            ),
            Self::OtherOrder => Some("resume with the settings of the run, kept in its folder"),
            Self::Rows(error) => error.hint(),
            Self::Document(error) => error.hint(),
            Self::UnknownLength => {
                Some("set `train.num_steps` instead of epochs, or `dataset.use_cache = true`")
            }
            _ => None,
        }
    }
}
