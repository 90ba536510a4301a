//! Everything that can go wrong while the base model's corpus is made.
//!
//! Not for files that are merely left out of the corpus: those are counted in `ledger.rs`.

use std::io;
use std::path::{Path, PathBuf};

/// A failure that stops the making of the corpus.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub(super) enum Error {
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Cargo could not download the pinned crates.
    #[error("cargo could not fetch the corpus: {what}")]
    #[diagnostic(help("run the same command again: what was downloaded is kept"))]
    Fetch { what: String },
    /// A crate that the list names is not where cargo puts its downloads.
    #[error("{name} {version} is not among the downloaded crates under {}", folder.display())]
    #[diagnostic(help(
        "make the list again with `cargo xtask make-base list` if the corpus manifest changed"
    ))]
    Missing { name: String, version: String, folder: PathBuf },
    /// A downloaded crate is not the one that was pinned.
    #[error("{} has sha256 {found}, the list says {expected}", path.display())]
    #[diagnostic(help("delete the file and run the same command again"))]
    Checksum { path: PathBuf, expected: String, found: String },
    /// A crate archive is damaged or larger than any crate should be.
    #[error("{}: {what}", path.display())]
    Archive { path: PathBuf, what: String },
    /// A line of the corpus list, a lock file or a data file is not what it should be.
    #[error("{}, line {line}: {what}", path.display())]
    Line { path: PathBuf, line: usize, what: String },
    /// The tokenizer could not be trained, written or read.
    #[error("tokenizer: {what}")]
    Tokenizer { what: String },
    /// A text did not come back as it was after encoding and decoding.
    #[error("the tokenizer does not give back {document} as it was")]
    RoundTrip { document: String },
    /// A vocabulary that does not fit the two bytes of a token id on disk.
    #[error("a vocabulary of {size} does not fit 16-bit token ids")]
    #[diagnostic(help("use `--vocab-size` 65536 or less"))]
    Vocabulary { size: usize },
}

impl Error {
    /// Returns a function that wraps an I/O error with what was being done, for `map_err`.
    pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }
}
