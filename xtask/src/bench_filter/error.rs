//! What can go wrong: cargo, files, Python.

use std::io;
use std::path::{Path, PathBuf};

/// Why the bench did not run.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("cannot {what} {}: {source}", path.display())]
    File { what: &'static str, path: PathBuf, source: io::Error },
    #[error("`cargo fetch` failed: {0}")]
    Fetch(String),
    #[error("the crate {0} of the corpus was not fetched")]
    Missing(String),
    #[error("the predecessor's rules in Python failed: {0}")]
    Python(String),
    #[error("the corpus as parquet cannot be read: {0}")]
    Parquet(String),
    #[error("the pipeline failed: {0}")]
    Pipeline(String),
    #[error("{}: {what}", path.display())]
    Manifest { path: PathBuf, what: String },
}

impl Error {
    /// Makes the error of a file operation.
    pub(super) fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { what, path: path.to_owned(), source }
    }
}
