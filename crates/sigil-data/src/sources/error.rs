//! What can go wrong while reading a source. Next: `read.rs`.

use std::path::PathBuf;

/// Says why a source cannot be read; a source that fails is never skipped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The source names nothing.
    #[error("the data source `{spec}` does not exist")]
    NotFound {
        /// The source as written.
        spec: String,
    },
    /// The source exists but holds no file of a known kind.
    #[error("the data source `{spec}` has no file that can be read (found: {found})")]
    NothingReadable {
        /// The source as written.
        spec: String,
        /// Kinds of files that are there.
        found: String,
    },
    /// A glob pattern is malformed.
    #[error("`{spec}` is not a valid pattern: {reason}")]
    BadPattern {
        /// The source as written.
        spec: String,
        /// What is wrong.
        reason: String,
    },
    /// A file or folder cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A compressed file grows past the cap.
    #[error("`{}` expands to more than {cap_bytes} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Most bytes allowed after expansion.
        cap_bytes: u64,
    },
    /// A line is not JSON.
    #[error("`{}` line {line}: not valid JSON: {reason}", path.display())]
    BadJson {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// What the parser said.
        reason: String,
    },
    /// A row's fields fit no known form.
    #[error("`{}` row {row}: no text was found (fields: {found})", path.display())]
    NoColumns {
        /// The file.
        path: PathBuf,
        /// Line or row, from 1.
        row: u64,
        /// Names of the fields that are there.
        found: String,
    },
    /// A field has the wrong type or value.
    #[error("`{}` row {row}: field `{field}` {problem}", path.display())]
    BadField {
        /// The file.
        path: PathBuf,
        /// Line or row, from 1.
        row: u64,
        /// The field.
        field: String,
        /// What is wrong with it, as the end of a sentence.
        problem: String,
    },
    /// More rows are unreadable than is tolerated.
    #[error(
        "{bad} of the first {read} rows of `{spec}` are unreadable, more than the share {limit} that is tolerated; the first: {first}"
    )]
    ManyBad {
        /// The source as written.
        spec: String,
        /// Unreadable rows.
        bad: u64,
        /// Rows met.
        read: u64,
        /// The largest share.
        limit: f64,
        /// What is wrong with the first of them, and where.
        first: String,
    },
    /// A parquet file is damaged or uses something that is not supported.
    #[error("`{}` is not a readable parquet file: {reason}", path.display())]
    BadParquet {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// A lock file is damaged.
    #[error("`{}` is not a Cargo.lock: {reason}", path.display())]
    BadLock {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        reason: String,
    },
    /// The registry source needs the cargo home folder.
    #[error("`{spec}` needs the folder of cargo (CARGO_HOME), which is not known")]
    NoCargoHome {
        /// The source as written.
        spec: String,
    },
    /// None of the crates of a lock file is on this machine.
    #[error("none of the {wanted} crates of `{}` is in `{}`", lock.display(), registry.display())]
    NoCrates {
        /// The lock file.
        lock: PathBuf,
        /// Crates it names.
        wanted: usize,
        /// The folder that was searched.
        registry: PathBuf,
    },
}

impl SourceError {
    /// Returns what the user can do about it, if anything.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotFound { .. } => Some(
                "a source is a .jsonl, .json or .parquet file (also .gz and .zst), a folder, a \
                 pattern such as `src/**/*.rs`, or `registry:Cargo.lock`",
            ),
            Self::NoColumns { .. } => Some(
                "known forms are text, content or code; or prompt with gen, completion or \
                 response; messages or conversations; instruction with output; other names can be \
                 mapped under dataset.columns",
            ),
            Self::NoCrates { .. } => {
                Some("run `cargo fetch` beside that lock file, so that cargo unpacks the crates")
            }
            Self::BadParquet { .. } => Some(
                "the file may have been cut short: fetch or write it again, and compare its size with \
                 the original's",
            ),
            Self::BadLock { .. } => Some("let cargo write it again: `cargo generate-lockfile`"),
            Self::NoCargoHome { .. } => Some("set CARGO_HOME, or HOME"),
            Self::ManyBad { .. } => Some("mend the file, or raise dataset.max_bad_fraction"),
            Self::TooLarge { .. } => {
                Some("raise dataset.max_expanded_bytes if the file is known to be good")
            }
            _ => None,
        }
    }
}
