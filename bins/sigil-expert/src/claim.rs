//! A run's folder taken for one run: an open file with a lock on it.
//!
//! The programs that a run starts are given the file as well (as their input, which is empty), so that
//! the folder is free only when the last of them has ended. Who comes while it is not waits.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use sigil_expert::ExpertError;

use crate::exit::Failure;

/// How often a taken folder is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Makes the folder and takes it; `stop` says whether to wait no longer.
pub(crate) fn take(folder: &Path, stop: impl Fn() -> bool) -> Result<File, Failure> {
    std::fs::create_dir_all(folder)
        .map_err(|source| ExpertError::Folder { path: folder.to_owned(), source })?;
    let path = folder.join("expert.lock");
    let file = File::options()
        .read(true)
        .append(true)
        .create(true)
        .open(&path)
        .map_err(|source| ExpertError::Folder { path: path.clone(), source })?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if stop() => {
                return Err(Failure::new(130, "interrupted before anything was done"));
            }
            Err(TryLockError::WouldBlock) => {
                if !told {
                    eprintln!("waiting for another run in `{}` to end", folder.display());
                    told = true;
                }
                std::thread::sleep(LOOK);
            }
            Err(TryLockError::Error(error)) => {
                let message = format!("cannot lock `{}`: {error}", path.display());
                return Err(Failure::new(1, message));
            }
        }
    }
}
