//! What happened that is no failure but that a person should hear.
//!
//! Library code never prints: the caller does, one line per note.

use std::fmt;
use std::path::PathBuf;

/// Something done or found along the way, to be shown to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// A half-written file or set of a process that was killed has been removed.
    LeftoverRemoved {
        /// What was removed.
        path: PathBuf,
    },
    /// A set that was about to be replaced when the process was killed has been put back.
    ReplacedSetRestored {
        /// The set's name.
        set: String,
    },
    /// Something temporary or outdated could not be removed; it only costs space.
    NotRemoved {
        /// What stays.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The `best` marker cannot be read, so no set is pruned until a best set is marked again.
    BestUnreadable {
        /// Why.
        reason: String,
    },
    /// Rows of steps that will be run again have been dropped from the metrics.
    RowsDropped {
        /// How many.
        count: u64,
        /// The step that the run resumes after.
        after_step: u64,
    },
    /// A line of the metrics file is not a row and has been dropped.
    BadLineDropped {
        /// Its number, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeftoverRemoved { path } => {
                write!(f, "removed `{}`, left half-written by a process that ended", path.display())
            }
            Self::ReplacedSetRestored { set } => {
                write!(f, "put back checkpoint set `{set}`, whose replacement was never finished")
            }
            Self::NotRemoved { path, reason } => {
                write!(f, "could not remove `{}`, which only costs space: {reason}", path.display())
            }
            Self::BestUnreadable { reason } => write!(
                f,
                "the marker of the best checkpoint set is unreadable ({reason}); no set is removed \
                 until a best set is marked again"
            ),
            Self::RowsDropped { count, after_step } => {
                write!(
                    f,
                    "dropped {count} metrics rows of steps after {after_step}, to be run again"
                )
            }
            Self::BadLineDropped { line, reason } => {
                write!(f, "dropped line {line} of the metrics, which is not a row: {reason}")
            }
        }
    }
}
