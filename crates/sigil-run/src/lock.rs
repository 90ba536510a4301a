//! One writer per run folder: an advisory lock that the system releases however the process ends.
//!
//! Not a lock file whose mere existence counts: a killed run leaves `run.lock` behind and the next
//! one takes it at once.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::RunError;
use crate::layout;

/// The right to write to a run folder, given back when dropped.
#[derive(Debug)]
pub struct RunLock {
    // Held for its file description: closing it releases the lock.
    _file: File,
}

impl RunLock {
    /// Takes the lock of `folder`, which must exist.
    ///
    /// # Errors
    /// [`RunError::Locked`] with the holder's process id when another process (or another handle
    /// in this one) has it; otherwise what the system reports.
    pub fn take(folder: &Path) -> Result<Self, RunError> {
        let path = folder.join(layout::LOCK);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|source| RunError::io("open the lock", &path, source))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                let pid =
                    file.read_to_string(&mut holder).ok().and_then(|_| holder.trim().parse().ok());
                return Err(RunError::Locked { path: folder.to_owned(), pid });
            }
            Err(errno) => return Err(RunError::io("lock", &path, errno.into())),
        }
        // The id is for the message above only, so a full disk must not stop the run here.
        let _only_for_the_message = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}
