//! Single files written whole or not at all.
//!
//! Not for sets of files that belong together: those go through `set_writer.rs`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::RunError;
use crate::layout;
use crate::storage::{RealStorage, Storage};

/// Writes `bytes` to `path` so that after a crash at any moment the file is the old one or the new
/// one, and after a return it is the new one even if the machine loses power.
///
/// The folder must exist. The bytes go to a temporary file beside `path` (named `.tmp-…`, unique to
/// the process), which is fsynced and renamed over it; then the folder is fsynced.
///
/// # Errors
/// [`RunError::NoSpace`], [`RunError::NotWritable`] or [`RunError::Io`]; the old file is untouched
/// then and the temporary file removed if possible.
pub fn atomic_write(path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), RunError> {
    atomic_write_with(&RealStorage, path.as_ref(), bytes)
}

/// [`atomic_write`] over a given storage.
///
/// # Errors
/// The same.
pub fn atomic_write_with(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let failed = |source| RunError::io("write", path, source);
    let Some(name) = path.file_name() else {
        return Err(failed(io::ErrorKind::InvalidFilename.into()));
    };
    let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mut temporary_name = std::ffi::OsString::from(layout::TEMPORARY);
    temporary_name.push(format!("{}-{unique}-", std::process::id()));
    temporary_name.push(name);
    let temporary = path.with_file_name(temporary_name);

    let written = write_and_rename(storage, &temporary, path, bytes);
    if written.is_err() {
        // Already failing: what matters is the first error, and leftovers are removed at open.
        let _best_effort = storage.remove_file(&temporary);
    }
    written.map_err(failed)?;
    let parent = parent_of(path);
    storage.sync_dir(&parent).map_err(|source| RunError::io("sync", &parent, source))
}

fn write_and_rename(
    storage: &dyn Storage,
    temporary: &Path,
    path: &Path,
    bytes: &[u8],
) -> io::Result<()> {
    let mut file = storage.create_file(temporary)?;
    file.write(bytes)?;
    file.sync()?;
    drop(file);
    storage.rename(temporary, path)
}

/// Removes what killed processes left of [`atomic_write`] in a folder and in all below it but the folders
/// of runs, which do so when they are opened. To be called by whoever alone writes there. Gives what was
/// removed, in order.
///
/// # Errors
/// [`RunError::Io`] for a folder that cannot be listed or a file that cannot be removed.
pub fn remove_unfinished_writes(folder: impl AsRef<Path>) -> Result<Vec<PathBuf>, RunError> {
    let (mut folders, mut removed) = (vec![folder.as_ref().to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in RealStorage.list(&folder).map_err(|e| RunError::io("list", &folder, e))? {
            let path = folder.join(&entry.name);
            if !entry.is_dir && is_unfinished(&entry.name.to_string_lossy()) {
                RealStorage.remove_file(&path).map_err(|e| RunError::io("remove", &path, e))?;
                removed.push(path);
            } else if entry.is_dir && !path.join(layout::CHECKPOINTS).is_dir() {
                folders.push(path);
            }
        }
    }
    removed.sort();
    Ok(removed)
}

/// Whether a name is one that [`atomic_write_with`] gives: `.tmp-PROCESS-COUNT-NAME`.
fn is_unfinished(name: &str) -> bool {
    let is_number = |part: Option<&str>| part.is_some_and(|part| part.parse::<u64>().is_ok());
    name.strip_prefix(layout::TEMPORARY).is_some_and(|rest| {
        let mut parts = rest.splitn(3, '-');
        is_number(parts.next()) && is_number(parts.next()) && parts.next().is_some()
    })
}

/// The folder that holds `path`; `.` for a bare name.
pub(crate) fn parent_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The bytes that this user can still write on the file system of `path` (which must exist).
///
/// # Errors
/// [`RunError::Io`] with what the system reports.
pub fn free_space(path: impl AsRef<Path>) -> Result<u64, RunError> {
    let path = path.as_ref();
    let statistics = rustix::fs::statvfs(path)
        .map_err(|errno| RunError::io("measure the free space of", path, errno.into()))?;
    Ok(statistics.f_bavail.saturating_mul(statistics.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{CrashLoss, Fault, FaultStorage};
    use std::fs;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn unfinished_writes_are_removed_and_nothing_else() -> TestResult {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        for below in ["a/b", "run/checkpoints"] {
            fs::create_dir_all(at(below))?;
        }
        let kept = ["a/answers.jsonl", "a/.tmp-own", "a/.tmp-1-x-own", "run/.tmp-7-0-latest"];
        let left = ["a/.tmp-12-0-answers.jsonl", "a/b/.tmp-3-44-x-y.json"];
        for name in kept.iter().chain(&left) {
            fs::write(at(name), "half")?;
        }
        assert_eq!(remove_unfinished_writes(folder.path())?, left.map(at));
        assert!(kept.iter().all(|name| at(name).exists()));
        assert!(remove_unfinished_writes(folder.path())?.is_empty());
        assert!(remove_unfinished_writes(at("gone")).is_err());
        Ok(())
    }

    #[test]
    fn every_single_failure_leaves_the_old_or_the_new_file() -> TestResult {
        let faults = [
            Fault::Error(5),
            Fault::ShortWrite(5),
            Fault::DiskFull,
            Fault::Crash(CrashLoss::Nothing),
            Fault::Crash(CrashLoss::AllUnsynced),
            Fault::Crash(CrashLoss::SomeUnsynced { seed: 1 }),
            Fault::Crash(CrashLoss::SomeUnsynced { seed: 2 }),
        ];
        for fault in faults {
            let mut struck = 0;
            for operation in 0.. {
                let folder = tempfile::tempdir()?;
                let path = folder.path().join("latest");
                fs::write(&path, "old")?;
                let storage = FaultStorage::new(operation, fault);
                let result = atomic_write_with(&storage, &path, b"new contents");
                let found = fs::read(&path)?;
                if storage.hit().is_none() {
                    assert!(result.is_ok());
                    break;
                }
                struck += 1;
                assert!(result.is_err(), "{fault:?} at {operation}");
                assert!(found == b"old" || found == b"new contents", "{fault:?} at {operation}");
                if !matches!(fault, Fault::Crash(_)) {
                    let names = RealStorage.list(folder.path())?;
                    assert_eq!(names.len(), 1, "a temporary file stays: {names:?}");
                }
            }
            // create, write, sync, rename, sync folder; a full disk stops the first two only.
            assert_eq!(struck, if fault == Fault::DiskFull { 2 } else { 5 }, "{fault:?}");
        }
        Ok(())
    }

    #[test]
    fn a_path_without_a_name_is_an_error() {
        assert!(atomic_write("/", b"x").is_err());
    }

    #[test]
    fn free_space_is_known_for_a_folder_and_refused_for_nothing() -> TestResult {
        let folder = tempfile::tempdir()?;
        assert!(free_space(folder.path())? > 0);
        let error = free_space(folder.path().join("missing")).expect_err("nothing is there");
        assert!(error.to_string().contains("missing"), "{error}");
        Ok(())
    }
}
