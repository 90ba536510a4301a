//! What a power cut would take back: the changes not yet made durable by an fsync.
//!
//! The model is POSIX's, which promises less than ext4 does: bytes are safe after the file's fsync,
//! names (creations, renames, removals) after the fsync of the folder that holds them, and
//! everything else may be lost or kept one by one. Not used outside `fault.rs`.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

/// How to take one change of a name back.
#[derive(Debug)]
enum Undo {
    RemoveFile(PathBuf),
    RemoveDir(PathBuf),
    RestoreFile { path: PathBuf, bytes: Vec<u8> },
    RestoreDir(PathBuf),
    RenameBack { from: PathBuf, to: PathBuf, replaced: Option<Vec<u8>> },
}

impl Undo {
    /// The path whose name in its folder this change concerns.
    fn path_mut(&mut self) -> &mut PathBuf {
        match self {
            Self::RemoveFile(path)
            | Self::RemoveDir(path)
            | Self::RestoreFile { path, .. }
            | Self::RestoreDir(path)
            | Self::RenameBack { to: path, .. } => path,
        }
    }

    /// Takes the change back. Impossible combinations (a name taken by a change that was kept) are
    /// left as they are: any outcome is allowed there.
    fn apply(self) {
        let _impossible_is_fine = match self {
            Self::RemoveFile(path) => fs::remove_file(path),
            Self::RemoveDir(path) => fs::remove_dir_all(path),
            Self::RestoreFile { path, bytes } => fs::write(path, bytes),
            Self::RestoreDir(path) => fs::create_dir(path),
            Self::RenameBack { from, to, replaced } => fs::rename(&to, from)
                .and_then(|()| replaced.map_or(Ok(()), |bytes| fs::write(to, bytes))),
        };
    }
}

/// The changes since the last fsyncs, oldest first.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// Names changed and not yet durable.
    names: Vec<Undo>,
    /// Files with bytes not yet durable, and the length that is.
    durable_length: BTreeMap<PathBuf, u64>,
}

impl Journal {
    pub(super) fn created_file(&mut self, path: &Path, existed: bool) {
        if !existed {
            self.names.push(Undo::RemoveFile(path.to_owned()));
        }
        self.durable_length.insert(path.to_owned(), 0);
    }

    /// An append handle on a file whose present bytes count as durable.
    pub(super) fn opened_for_append(&mut self, path: &Path, existed: bool, length: u64) {
        if !existed {
            self.names.push(Undo::RemoveFile(path.to_owned()));
        }
        self.durable_length.entry(path.to_owned()).or_insert(length);
    }

    pub(super) fn synced_file(&mut self, path: &Path, length: u64) {
        self.durable_length.insert(path.to_owned(), length);
    }

    pub(super) fn truncated(&mut self, path: &Path, length: u64) {
        if let Some(durable) = self.durable_length.get_mut(path) {
            *durable = (*durable).min(length);
        }
    }

    pub(super) fn created_dir(&mut self, path: &Path) {
        self.names.push(Undo::RemoveDir(path.to_owned()));
    }

    pub(super) fn renamed(&mut self, from: &Path, to: &Path, replaced: Option<Vec<u8>>) {
        // How the replaced file came to be there no longer matters: it is kept or put back whole.
        self.names.retain_mut(|undo| undo.path_mut() != to);
        self.move_names(from, to);
        self.durable_length.remove(to);
        self.durable_length = std::mem::take(&mut self.durable_length)
            .into_iter()
            .map(|(path, length)| (moved(&path, from, to).unwrap_or(path), length))
            .collect();
        self.names.push(Undo::RenameBack { from: from.to_owned(), to: to.to_owned(), replaced });
    }

    pub(super) fn removed_file(&mut self, path: &Path, bytes: Vec<u8>) {
        self.durable_length.remove(path);
        self.names.push(Undo::RestoreFile { path: path.to_owned(), bytes });
    }

    pub(super) fn removed_dir(&mut self, path: &Path) {
        self.names.push(Undo::RestoreDir(path.to_owned()));
    }

    pub(super) fn synced_dir(&mut self, dir: &Path) {
        self.names.retain_mut(|undo| undo.path_mut().parent() != Some(dir));
    }

    /// Takes back those changes for which `is_lost` says so, newest first: names, then bytes.
    pub(super) fn lose(&mut self, mut is_lost: impl FnMut() -> bool) {
        for (path, durable) in std::mem::take(&mut self.durable_length) {
            // Of the unsynced bytes all, none, or the first half survive.
            let Ok(metadata) = fs::metadata(&path) else { continue };
            let unsynced = metadata.len().saturating_sub(durable);
            let kept = match (is_lost(), is_lost()) {
                (false, _) => continue,
                (true, false) => unsynced / 2,
                (true, true) => 0,
            };
            if let Ok(file) = OpenOptions::new().write(true).open(&path) {
                let _no_such_file_is_fine = file.set_len(durable + kept);
            }
        }
        while let Some(undo) = self.names.pop() {
            let is_lost = is_lost();
            if let Undo::RenameBack { from, to, .. } = &undo {
                if is_lost {
                    // The older changes below happened under the old name.
                    self.move_names(to, from);
                } else {
                    // A rename is atomic: once it is kept, so is what it gave the name to.
                    self.names.retain_mut(|older| older.path_mut() != to);
                }
            }
            if is_lost {
                undo.apply();
            }
        }
    }

    fn move_names(&mut self, from: &Path, to: &Path) {
        for undo in &mut self.names {
            let path = undo.path_mut();
            if let Some(new) = moved(path, from, to) {
                *path = new;
            }
        }
    }
}

/// Where `path` is after `from` has been renamed to `to`, if that moves it.
fn moved(path: &Path, from: &Path, to: &Path) -> Option<PathBuf> {
    path.strip_prefix(from).ok().map(|rest| join(to, rest))
}

/// `base.join("")` would add a trailing slash, which is another key.
fn join(base: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { base.to_owned() } else { base.join(rest) }
}
