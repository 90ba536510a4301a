//! What goes wrong here.

use std::path::PathBuf;

use sigil_eval::EvalError;
use sigil_run::RunError;

/// A run of expert iteration could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExpertError {
    /// A file could not be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A folder could not be made or emptied.
    #[error("cannot prepare `{}`: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file could not be written whole.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A result could not be read.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// Settings do not say what they should.
    #[error("`{}`: {problem}", path.display())]
    Settings {
        /// The settings file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A row is not what its file should hold.
    #[error("`{}` line {line}: {problem}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// The folder belongs to a run with other settings.
    #[error("`{}` was made with other settings, another seed or another version", folder.display())]
    OtherRun {
        /// The folder.
        folder: PathBuf,
    },
    /// A file of tasks holds what rounds cannot ask.
    #[error("`{}`: {problem}", path.display())]
    Tasks {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The file that says whose folder it is cannot be read.
    #[error("`{}` does not say whose run this is: {problem}", path.display())]
    NotARun {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Nothing passed the selection.
    #[error("round {round} of the {arm} arm selected {selected} rows of {samples} samples")]
    TooFewSelected {
        /// The arm.
        arm: String,
        /// The round, from 1.
        round: usize,
        /// Rows selected.
        selected: usize,
        /// Samples there were.
        samples: usize,
    },
    /// A stage ended without a file that it should have made.
    #[error("{stage} ended without `{}`", path.display())]
    NoOutput {
        /// The stage.
        stage: String,
        /// The file.
        path: PathBuf,
    },
    /// A program failed.
    #[error("{stage}: `{program}` {how}")]
    Program {
        /// The stage.
        stage: String,
        /// The program.
        program: String,
        /// How it ended.
        how: String,
        /// What it advised.
        advice: Option<String>,
    },
    /// Somebody asked to stop; everything that is done is kept.
    #[error("interrupted in {stage}")]
    Interrupted {
        /// The stage that will be gone on with.
        stage: String,
    },
}

impl ExpertError {
    /// What a user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::OtherRun { .. } => {
                "give another --out, or remove the folder to begin anew".to_owned()
            }
            Self::TooFewSelected { .. } => {
                "more samples, a lower select.threshold or easier tasks give more rows".to_owned()
            }
            Self::Eval(error) => return error.hint(),
            Self::Program { advice, .. } => return advice.clone(),
            Self::NotARun { .. } => {
                "restore the file from a copy, or remove the folder to begin anew".to_owned()
            }
            _ => return None,
        })
    }
}
