//! Everything that can go wrong with a run folder, and what the user can do about it.
//!
//! Damage of a checkpoint set is not here: it is an answer, not a failure (see [`crate::Damage`]).

use std::io;
use std::path::{Path, PathBuf};

use crate::manifest::ManifestError;
use crate::set::Damage;

/// Why an operation on a run folder, a set or a metrics file failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The disk or the quota is full.
    #[error("no space left on the disk: cannot {action} `{}`", path.display())]
    NoSpace {
        /// What was being done.
        action: &'static str,
        /// The file or folder it was done to.
        path: PathBuf,
        /// The system's report.
        source: io::Error,
    },
    /// The folder cannot be written: its permissions or a read-only file system.
    #[error("cannot {action} `{}`: the folder is read-only here or access is denied", path.display())]
    NotWritable {
        /// What was being done.
        action: &'static str,
        /// The file or folder it was done to.
        path: PathBuf,
        /// The system's report.
        source: io::Error,
    },
    /// Any other failed file operation.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// The file or folder it was done to.
        path: PathBuf,
        /// The system's report.
        source: io::Error,
    },
    /// Another process writes to this run.
    #[error("run folder `{}` is in use by {}", path.display(), holder(*.pid))]
    Locked {
        /// The run folder.
        path: PathBuf,
        /// The process that holds the lock, when it could be read.
        pid: Option<u32>,
    },
    /// The folder holds something else, and writing a run into it would mix the two.
    #[error("`{}` is not a run folder: it has no `run.json` but holds `{found}`", path.display())]
    ForeignFolder {
        /// The folder.
        path: PathBuf,
        /// One of the names in it.
        found: String,
    },
    /// Something is where a new file or folder was to be.
    #[error("`{}` exists already", path.display())]
    Exists {
        /// The file or folder.
        path: PathBuf,
    },
    /// There is no run where one was expected.
    #[error("there is no run in `{}`", path.display())]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// `run.json` cannot be understood.
    #[error("`{}` is damaged: {reason}", path.display())]
    DamagedRecord {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Written by a newer version of this program.
    #[error("`{}` has format version {found}, this version reads up to {supported}", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u64,
        /// The newest version understood here.
        supported: u32,
    },
    /// A name that may not be a file of a set or a run.
    #[error("`{name}` cannot be the name of a file here: {reason}")]
    BadName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A set that was only partly written may not be committed.
    #[error("checkpoint set `{set}` is incomplete after a failed write and was not kept")]
    IncompleteSet {
        /// The set.
        set: String,
    },
    /// There is no set of that step, or none of that name.
    #[error("there is no checkpoint set `{set}` in `{}`", path.display())]
    NoSuchSet {
        /// The set.
        set: String,
        /// The folder of the sets.
        path: PathBuf,
    },
    /// A set does not hold a file that was asked for.
    #[error("checkpoint set `{}` holds no file `{name}`", path.display())]
    NoSuchFile {
        /// The set's folder.
        path: PathBuf,
        /// The file asked for.
        name: String,
    },
    /// A set, or a file of it, is not what was written.
    #[error("checkpoint set `{}` is damaged: {damage}", path.display())]
    DamagedSet {
        /// The set's folder.
        path: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
    /// A value that cannot be compared or stored was given for the best set.
    #[error("`{metric}` is {value}, which cannot mark the best set")]
    NotFinite {
        /// The metric.
        metric: String,
        /// Its value.
        value: f64,
    },
    /// A manifest could not be made (too many bytes, a bad name).
    #[error("cannot describe checkpoint set `{set}`")]
    Manifest {
        /// The set.
        set: String,
        /// Why.
        source: ManifestError,
    },
}

impl RunError {
    /// Adds the action and the path to a system error, and tells the common ones apart.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::NoSpace { action, path, source }
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::NotWritable { action, path, source }
            }
            _ => Self::Io { action, path, source },
        }
    }

    /// What the user can do about it, when there is something.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoSpace { .. } => {
                "free some space or lower the number of kept sets, then resume; what was saved \
                 before is untouched"
                    .to_owned()
            }
            Self::NotWritable { .. } => {
                "choose an output folder that this user may write to".to_owned()
            }
            Self::Locked { pid: Some(pid), .. } => {
                format!("wait for process {pid} to end, or choose another output folder")
            }
            Self::Locked { pid: None, .. } => {
                "wait for the other process to end, or choose another output folder".to_owned()
            }
            Self::Exists { .. } => "choose another name, or remove it first".to_owned(),
            Self::ForeignFolder { .. } => "choose a new or an empty folder".to_owned(),
            Self::NoRun { .. } => "check the path, or start a new run without resuming".to_owned(),
            Self::DamagedRecord { .. } => {
                "start in a new folder and continue from the adapter of this run's newest set"
                    .to_owned()
            }
            Self::NewerFormat { .. } => "use the version that wrote it, or a newer one".to_owned(),
            Self::DamagedSet { .. } => "resume from another set of this run".to_owned(),
            _ => return None,
        };
        Some(hint)
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}
