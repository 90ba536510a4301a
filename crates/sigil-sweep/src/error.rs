//! What can go wrong with a sweep. That a run fails is no error of the sweep.

use std::path::PathBuf;

use sigil_run::RunError;

/// Why a sweep cannot begin or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SweepError {
    /// The sweep's own settings.
    #[error("`{}`: {problem}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its place.
        problem: String,
    },
    /// Settings of a run that `sigil-train` would refuse.
    #[error("{trial} ({values}) would be refused:\n{problem}")]
    Trial {
        /// The run.
        trial: String,
        /// What it sets.
        values: String,
        /// What its rules say.
        problem: String,
    },
    /// The folder holds another sweep.
    #[error("`{}` holds another sweep", path.display())]
    OtherSweep {
        /// The folder.
        path: PathBuf,
    },
    /// A file of the sweep that cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system reports.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A program could not be started at all.
    #[error("sigil-train cannot be run: {0}")]
    Program(String),
    /// Somebody asked to stop.
    #[error("interrupted; the same command goes on")]
    Interrupted,
}

impl SweepError {
    /// What the user can do about it, when there is something.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Trial { .. } => "change the sweep's keys or its `[set]`; nothing was started",
            Self::OtherSweep { .. } => "choose another folder with --out",
            Self::Program(_) => {
                "build all programs with `cargo build --release --locked --workspace`"
            }
            Self::Run(error) => return error.hint(),
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
