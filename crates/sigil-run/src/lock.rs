//! One writer per run folder: an advisory lock that the system releases however the process ends.
//!
//! Not a lock file whose mere existence counts: a killed run leaves `run.lock` behind and the next
//! one takes it at once.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

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
        match exclusive(&file) {
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

    /// Whether some process has the lock of `folder` now.
    ///
    /// # Errors
    /// What the system reports.
    pub fn is_held(folder: &Path) -> Result<bool, RunError> {
        let path = folder.join(layout::LOCK);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(RunError::io("open the lock", &path, source)),
        };
        // A shared lock, given back at once when the file closes: `exclusive` knows these.
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(false),
            Err(Errno::WOULDBLOCK) => Ok(true),
            Err(errno) => Err(RunError::io("look at the lock", &path, errno.into())),
        }
    }
}

/// Locks the file for one process. Those that only look ([`RunLock::is_held`]) hold a shared lock for
/// a moment and are waited out; another exclusive lock is `WOULDBLOCK` at once.
fn exclusive(file: &File) -> Result<(), Errno> {
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => {}
            done => return done,
        }
        // It can be shared only if no process has it for itself.
        flock(file, FlockOperation::NonBlockingLockShared)?;
        flock(file, FlockOperation::Unlock)?;
        std::thread::yield_now();
    }
}

/// The right to change the files of sets that are committed, given back when dropped: commits take it
/// against the replacing of cards (`reseal.rs`).
#[derive(Debug)]
pub(crate) struct SetsLock {
    _folder: File,
}

impl SetsLock {
    /// Takes the lock of the folder of the sets, waiting for at most `patience`; `None` after that.
    pub(crate) fn take(checkpoints: &Path, patience: Duration) -> io::Result<Option<Self>> {
        let folder = File::open(checkpoints)?;
        let start = Instant::now();
        loop {
            match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Some(Self { _folder: folder })),
                Err(Errno::WOULDBLOCK) if start.elapsed() < patience => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_at_the_lock_takes_nothing_and_a_look_never_refuses_a_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        assert!(!RunLock::is_held(path).expect("there is no lock yet"));
        let held = RunLock::take(path).expect("free");
        assert!(RunLock::is_held(path).expect("it can be looked at"));
        assert!(matches!(RunLock::take(path), Err(RunError::Locked { .. })));
        drop(held);
        assert!(!RunLock::is_held(path).expect("it can be looked at"));
        std::thread::scope(|scope| {
            let looking = scope.spawn(|| {
                for _ in 0..2000 {
                    RunLock::is_held(path).expect("it can be looked at");
                }
            });
            while !looking.is_finished() {
                drop(RunLock::take(path).expect("only looks are in the way"));
            }
        });
    }

    #[test]
    fn the_folder_of_the_sets_has_one_holder() {
        let folder = tempfile::tempdir().expect("a folder");
        let take = || SetsLock::take(folder.path(), Duration::from_millis(5)).expect("it opens");
        let held = take().expect("free");
        assert!(take().is_none());
        drop(held);
        assert!(take().is_some());
    }
}
