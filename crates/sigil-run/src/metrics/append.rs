//! A file that grows by whole records: a record that fails half-way is taken back.
//!
//! Not durable by itself: the system writes the bytes when it likes, until `sync`.

use std::path::{Path, PathBuf};

use crate::atomic::parent_of;
use crate::error::RunError;
use crate::storage::{Storage, StorageFile};

/// An append-only file and the length up to which it is whole.
#[derive(Debug)]
pub(super) struct AppendFile {
    path: PathBuf,
    file: Box<dyn StorageFile>,
    whole_bytes: u64,
    is_torn: bool,
}

impl AppendFile {
    pub(super) fn open(storage: &dyn Storage, path: &Path) -> Result<Self, RunError> {
        let open = || {
            let file = storage.append_file(path)?;
            let whole_bytes = file.length_bytes()?;
            if whole_bytes == 0 {
                // The file may be new: its name must outlive a power cut like its rows do.
                storage.sync_dir(&parent_of(path))?;
            }
            Ok((file, whole_bytes))
        };
        let (file, whole_bytes) = open().map_err(|source| RunError::io("open", path, source))?;
        Ok(Self { path: path.to_owned(), file, whole_bytes, is_torn: false })
    }

    /// Appends one record in one write. After an error the file is as before, or will be made so
    /// before the next record.
    pub(super) fn append(&mut self, record: &[u8]) -> Result<(), RunError> {
        if self.is_torn {
            self.take_back()?;
        }
        if let Err(source) = self.file.write(record) {
            self.is_torn = true;
            // The first error is the one to report; a failure here is tried again next time.
            let _tried_again_before_the_next_record = self.take_back();
            return Err(RunError::io("append to", &self.path, source));
        }
        self.whole_bytes += record.len() as u64;
        Ok(())
    }

    pub(super) fn sync(&mut self) -> Result<(), RunError> {
        self.file.sync().map_err(|source| RunError::io("sync", &self.path, source))
    }

    fn take_back(&mut self) -> Result<(), RunError> {
        self.file
            .truncate(self.whole_bytes)
            .map_err(|source| RunError::io("repair", &self.path, source))?;
        self.is_torn = false;
        Ok(())
    }
}
