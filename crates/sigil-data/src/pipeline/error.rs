//! What can go wrong between sources and rows. Next: `feed.rs`.

use std::path::PathBuf;

use crate::decontaminate::BenchmarkError;
use crate::ledger::Ledger;
use crate::mixing::InterleaveError;
use crate::sources::SourceError;

/// Says why the rows of an epoch cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// A source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The sources cannot be mixed as asked.
    #[error("{error} (sources: {names}){account}")]
    Mixture {
        /// What is wrong.
        #[source]
        error: InterleaveError,
        /// The sources in order.
        names: String,
        /// What became of the rows, from a new line on; empty before any was read.
        account: String,
    },
    /// A benchmark file cannot be used.
    #[error(transparent)]
    Benchmark(#[from] BenchmarkError),
    /// A named group has no row.
    #[error("the held-out group `{group}` has no row (groups: {known})")]
    UnknownGroup {
        /// As given.
        group: String,
        /// Some of the groups there are.
        known: String,
    },
    /// No row is left.
    #[error("no row is left to train on\n{}", .0.to_string().trim_end())]
    Empty(Box<Ledger>),
    /// The shuffle needs all rows, and a stream has them one by one.
    #[error("a full shuffle needs every row at once, which a stream does not have")]
    FullShuffleOfStream,
    /// The cut of large groups needs all rows.
    #[error(
        "a limit on the rows of each group needs every row at once, which a stream does not have"
    )]
    GroupLimitOfStream,
    /// A file of the row cache cannot be read or written.
    #[error("cannot use the row cache file `{}`: {reason}", path.display())]
    Cache {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl From<InterleaveError> for PipelineError {
    fn from(error: InterleaveError) -> Self {
        Self::Mixture { error, names: String::new(), account: String::new() }
    }
}

impl PipelineError {
    /// Returns what the user can do about it, if anything.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Source(error) => error.hint(),
            Self::Mixture { error, .. } => Some(error.hint()),
            Self::UnknownGroup { .. } => Some(
                "`evaluation.groups` names crates without their versions, as in Cargo.lock; with \
                 other data set `evaluation.groups=[]` and a fraction",
            ),
            Self::Empty(_) => Some(
                "the account counts every dropped row by reason: relax the rule that drops most",
            ),
            Self::FullShuffleOfStream => Some(
                "set `dataset.shuffle = \"buffer\"` with `dataset.shuffle_buffer`, or \
                 `dataset.use_cache = true`",
            ),
            Self::GroupLimitOfStream => {
                Some("set `dataset.use_cache = true`, or leave `dataset.max_rows_per_group` out")
            }
            Self::Cache { .. } => Some("`sigil-data cache verify` names damaged entries"),
            Self::Benchmark(_) => None,
        }
    }
}
