//! The file operations of this crate, as a trait, so that each of them can be made to fail.
//!
//! Deliberately not a general file-system abstraction: only the operations a run folder needs, each
//! one system call or close to it, so that "the N-th operation" means something.
//! [`RealStorage`] does them; [`FaultStorage`] wraps it and breaks one. Read `fault.rs` next.

mod fault;
mod journal;
mod real;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read};
use std::path::Path;

pub use fault::{CrashLoss, Fault, FaultStorage};
pub use real::RealStorage;

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The name, without the folder.
    pub name: OsString,
    /// Whether it is a folder itself; a symbolic link is not.
    pub is_dir: bool,
}

/// An open file that is written front to back.
pub trait StorageFile: fmt::Debug + Send {
    /// Writes all of `bytes` at the end.
    ///
    /// # Errors
    /// Whatever the system reports; part of `bytes` may have been written then.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns once the contents are on the device (`fsync`).
    ///
    /// # Errors
    /// Whatever the system reports; the contents must be taken as lost then.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts the file to `length_bytes`, to take back a write that failed half-way.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn truncate(&mut self, length_bytes: u64) -> io::Result<()>;

    /// The present length in bytes.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn length_bytes(&self) -> io::Result<u64>;
}

/// The file operations of a run folder.
///
/// # Errors
/// Every operation returns what the system reports; `crate::RunError` adds the path and the action.
pub trait Storage: fmt::Debug + Send + Sync {
    /// Creates a file, or empties the one that is there, for writing.
    ///
    /// # Errors
    /// See the trait.
    fn create_file(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;

    /// Opens a file for appending, creating it when it is not there.
    ///
    /// # Errors
    /// See the trait.
    fn append_file(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;

    /// Creates one folder whose parent is there.
    ///
    /// # Errors
    /// See the trait; an existing path is `AlreadyExists`.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Renames a file (replacing a file) or a folder, within one file system.
    ///
    /// # Errors
    /// See the trait.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file or a symbolic link.
    ///
    /// # Errors
    /// See the trait.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty folder.
    ///
    /// # Errors
    /// See the trait.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// The names in a folder, sorted.
    ///
    /// # Errors
    /// See the trait.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;

    /// Whether something is at `path`.
    ///
    /// # Errors
    /// See the trait.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// The whole contents of a (small) file.
    ///
    /// # Errors
    /// See the trait.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Opens a file for reading front to back.
    ///
    /// # Errors
    /// See the trait.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>>;

    /// Returns once the names in `dir` are on the device (`fsync` of the folder).
    ///
    /// # Errors
    /// See the trait.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// Removes a file, or a folder with all that is in it, never following a symbolic link.
///
/// Not atomic: rename a folder to a temporary name first when a half-removed one would be mistaken
/// for a whole one.
///
/// # Errors
/// The first operation that failed.
pub fn remove_tree(storage: &dyn Storage, path: &Path, is_dir: bool) -> io::Result<()> {
    if !is_dir {
        return storage.remove_file(path);
    }
    for entry in storage.list(path)? {
        remove_tree(storage, &path.join(&entry.name), entry.is_dir)?;
    }
    storage.remove_dir(path)
}
