//! A large file, or a folder of them, that appears whole under its name or not at all.
//!
//! For what is written once and piece by piece: merged models, exports. Small files go through
//! `atomic.rs`, checkpoint sets through `set_writer.rs`. What a killed process left behind lies under
//! a temporary name beside the target, and the next attempt at the same target removes it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::atomic::parent_of;
use crate::error::RunError;
use crate::layout;
use crate::storage::{RealStorage, Storage, StorageFile, remove_tree};

/// Bytes gathered before they are handed to the system.
const BUFFER_BYTES: usize = 1 << 20;

/// Ending of the file that a writer holds locked.
const LOCK_ENDING: &str = ".lock";

/// A file being written piece by piece; it counts once [`finish`](Self::finish) returned.
#[derive(Debug)]
pub struct WholeFile {
    file: Box<dyn StorageFile>,
    path: PathBuf,
    buffer: Vec<u8>,
    bytes: u64,
}

impl WholeFile {
    fn create(storage: &dyn Storage, path: PathBuf) -> Result<Self, RunError> {
        let file =
            storage.create_file(&path).map_err(|source| RunError::io("create", &path, source))?;
        Ok(Self { file, path, buffer: Vec::new(), bytes: 0 })
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// What the system reports.
    pub fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), RunError> {
        io::Write::write_all(self, bytes)
            .map_err(|source| RunError::io("write", &self.path, source))
    }

    /// Bytes written so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes what is left and returns once it is on the device; gives the length in bytes.
    ///
    /// # Errors
    /// What the system reports.
    pub fn finish(mut self) -> Result<u64, RunError> {
        io::Write::flush(&mut self)
            .and_then(|()| self.file.sync())
            .map_err(|source| RunError::io("write", &self.path, source))?;
        Ok(self.bytes)
    }
}

/// Buffered: small writes are gathered. `flush` does not fsync, [`WholeFile::finish`] does.
impl io::Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        if bytes.len() >= BUFFER_BYTES {
            self.file.write(bytes)?;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.file.write(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}

/// A folder being made. Dropped without [`commit`](Self::commit), it leaves nothing.
#[derive(Debug)]
pub struct PendingFolder {
    place: Place,
}

impl PendingFolder {
    /// Begins a folder that will be `target`, which must not exist (or be an empty folder).
    ///
    /// # Errors
    /// [`RunError::Exists`] when something is there, [`RunError::Locked`] when another process makes
    /// the same folder, or what the system reports.
    pub fn create(target: impl AsRef<Path>) -> Result<Self, RunError> {
        Self::create_with(target.as_ref(), Arc::new(RealStorage))
    }

    /// [`create`](Self::create) over a given storage; the lock is always the real file system's.
    ///
    /// # Errors
    /// The same.
    pub fn create_with(target: &Path, storage: Arc<dyn Storage>) -> Result<Self, RunError> {
        let place = Place::take(target, storage)?;
        place
            .storage
            .create_dir(&place.temporary)
            .map_err(|source| RunError::io("create", &place.temporary, source))?;
        Ok(Self { place })
    }

    /// Where the files lie until the commit, for those who want to read them before.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.place.temporary
    }

    /// Adds a file that is written piece by piece.
    ///
    /// # Errors
    /// [`RunError::BadName`] for a name that leads out of the folder, or what the system reports.
    pub fn file(&mut self, name: &str) -> Result<WholeFile, RunError> {
        layout::check_file_name(name)?;
        if name.contains('/') {
            let reason = "folders inside it are not made";
            return Err(RunError::BadName { name: name.to_owned(), reason });
        }
        WholeFile::create(self.place.storage.as_ref(), self.place.temporary.join(name))
    }

    /// Adds a file with these contents.
    ///
    /// # Errors
    /// As [`file`](Self::file).
    pub fn put(&mut self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        let mut file = self.file(name)?;
        file.write_bytes(bytes)?;
        file.finish().map(drop)
    }

    /// Makes the folder appear under its name, durably.
    ///
    /// # Errors
    /// What the system reports; nothing is left then.
    pub fn commit(mut self) -> Result<(), RunError> {
        let storage = Arc::clone(&self.place.storage);
        storage
            .sync_dir(&self.place.temporary)
            .map_err(|source| RunError::io("sync", &self.place.temporary, source))?;
        self.place.appear()
    }
}

/// One file being made. Dropped without [`commit`](Self::commit), it leaves nothing.
#[derive(Debug)]
pub struct PendingFile {
    place: Place,
    file: Option<WholeFile>,
}

impl PendingFile {
    /// Begins a file that will be `target`, which must not exist.
    ///
    /// # Errors
    /// As [`PendingFolder::create`].
    pub fn create(target: impl AsRef<Path>) -> Result<Self, RunError> {
        Self::create_with(target.as_ref(), Arc::new(RealStorage))
    }

    /// [`create`](Self::create) over a given storage; the lock is always the real file system's.
    ///
    /// # Errors
    /// The same.
    pub fn create_with(target: &Path, storage: Arc<dyn Storage>) -> Result<Self, RunError> {
        let place = Place::take(target, storage)?;
        let file = WholeFile::create(place.storage.as_ref(), place.temporary.clone())?;
        Ok(Self { place, file: Some(file) })
    }

    /// Where the bytes lie until the commit.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.place.temporary
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// What the system reports.
    pub fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), RunError> {
        self.file.as_mut().expect("it is taken at the commit only").write_bytes(bytes)
    }

    /// Brings every byte to the device; the file can be read at [`path`](Self::path) from then on.
    ///
    /// # Errors
    /// What the system reports.
    pub fn finish(&mut self) -> Result<(), RunError> {
        self.file.take().map_or(Ok(()), |file| file.finish().map(drop))
    }

    /// Makes the file appear under its name, durably.
    ///
    /// # Errors
    /// What the system reports; nothing is left then.
    pub fn commit(mut self) -> Result<(), RunError> {
        self.finish()?;
        self.place.appear()
    }
}

/// A target and the temporary name beside it, held for this process.
#[derive(Debug)]
struct Place {
    storage: Arc<dyn Storage>,
    target: PathBuf,
    temporary: PathBuf,
    lock_path: PathBuf,
    is_there: bool,
    _lock: File,
}

impl Place {
    fn take(target: &Path, storage: Arc<dyn Storage>) -> Result<Self, RunError> {
        let failed = |source| RunError::io("write", target, source);
        let Some(name) = target.file_name().and_then(|name| name.to_str()) else {
            return Err(failed(io::ErrorKind::InvalidFilename.into()));
        };
        let parent = parent_of(target);
        std::fs::create_dir_all(&parent)
            .map_err(|source| RunError::io("create", &parent, source))?;
        refuse_what_is_there(storage.as_ref(), target)?;
        let temporary = parent.join(format!("{}{name}", layout::TEMPORARY));
        let lock_path = parent.join(format!("{}{name}{LOCK_ENDING}", layout::TEMPORARY));
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(|source| RunError::io("create", &lock_path, source))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(RunError::Locked { path: target.to_owned(), pid: None });
            }
            Err(TryLockError::Error(source)) => {
                return Err(RunError::io("lock", &lock_path, source));
            }
        }
        let place = Self {
            storage,
            target: target.to_owned(),
            temporary,
            lock_path,
            is_there: false,
            _lock: lock,
        };
        place.clear().map_err(|source| RunError::io("remove", &place.temporary, source))?;
        Ok(place)
    }

    /// Removes what an earlier attempt, or this one, has written.
    fn clear(&self) -> io::Result<()> {
        if !self.storage.exists(&self.temporary)? {
            return Ok(());
        }
        remove_tree(self.storage.as_ref(), &self.temporary, self.temporary.is_dir())
    }

    fn appear(&mut self) -> Result<(), RunError> {
        refuse_what_is_there(self.storage.as_ref(), &self.target)?;
        self.storage
            .rename(&self.temporary, &self.target)
            .map_err(|source| RunError::io("rename", &self.temporary, source))?;
        self.is_there = true;
        let parent = parent_of(&self.target);
        self.storage.sync_dir(&parent).map_err(|source| RunError::io("sync", &parent, source))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_there {
            // Frees the space at once; if it fails, the next attempt removes it.
            let _best_effort = self.clear();
        }
        let _best_effort = self.storage.remove_file(&self.lock_path);
    }
}

/// An empty folder may be replaced by a folder; anything else stays.
fn refuse_what_is_there(storage: &dyn Storage, target: &Path) -> Result<(), RunError> {
    let is_there =
        storage.exists(target).map_err(|source| RunError::io("look for", target, source))?;
    let is_empty_folder =
        target.is_dir() && storage.list(target).is_ok_and(|entries| entries.is_empty());
    if is_there && !is_empty_folder {
        return Err(RunError::Exists { path: target.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{CrashLoss, Fault, FaultStorage};
    use std::fs;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    fn make(target: &Path, storage: Arc<dyn Storage>) -> Result<(), RunError> {
        let mut folder = PendingFolder::create_with(target, storage)?;
        folder.put("config.json", b"{}")?;
        let mut file = folder.file("model.safetensors")?;
        for part in [b"one".as_slice(), b"two"] {
            file.write_bytes(part)?;
        }
        assert_eq!(file.finish()?, 6);
        folder.commit()
    }

    #[test]
    fn every_single_failure_leaves_the_whole_folder_or_none() -> TestResult {
        let faults = [
            Fault::Error(5),
            Fault::ShortWrite(5),
            Fault::DiskFull,
            Fault::Crash(CrashLoss::Nothing),
            Fault::Crash(CrashLoss::AllUnsynced),
        ];
        for fault in faults {
            for operation in 0.. {
                let folder = tempfile::tempdir()?;
                let target = folder.path().join("merged");
                let storage = Arc::new(FaultStorage::new(operation, fault));
                let result = make(&target, Arc::clone(&storage) as Arc<dyn Storage>);
                if storage.hit().is_none() {
                    result?;
                    break;
                }
                if target.exists() {
                    assert_eq!(fs::read(target.join("config.json"))?, b"{}", "{fault:?}");
                    assert_eq!(fs::read(target.join("model.safetensors"))?, b"onetwo", "{fault:?}");
                } else {
                    assert!(result.is_err(), "{fault:?} at {operation}");
                    make(&target, Arc::new(RealStorage))?;
                    assert_eq!(fs::read(target.join("model.safetensors"))?, b"onetwo");
                    assert_eq!(RealStorage.list(folder.path())?.len(), 1, "leftovers are removed");
                }
            }
        }
        Ok(())
    }

    #[test]
    fn what_is_there_is_kept_and_two_writers_are_kept_apart() -> TestResult {
        let folder = tempfile::tempdir()?;
        let target = folder.path().join("model.gguf");
        let mut first = PendingFile::create(&target)?;
        let second = PendingFile::create(&target).expect_err("the first one writes");
        assert!(matches!(second, RunError::Locked { .. }), "{second}");
        first.write_bytes(b"GGUF")?;
        first.commit()?;
        assert_eq!(fs::read(&target)?, b"GGUF");
        let again = PendingFile::create(&target).expect_err("it is there");
        assert!(matches!(again, RunError::Exists { .. }), "{again}");
        let file = PendingFolder::create(&target).expect_err("it is there");
        assert!(matches!(file, RunError::Exists { .. }), "{file}");
        let empty = folder.path().join("empty");
        fs::create_dir(&empty)?;
        make(&empty, Arc::new(RealStorage))?;
        drop(PendingFolder::create(folder.path().join("dropped"))?);
        assert!(!folder.path().join("dropped").exists());
        Ok(())
    }
}
