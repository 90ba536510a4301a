//! Making a checkpoint set: everything into a temporary folder, fsynced and hashed, then one rename.
//!
//! The order of the steps in [`SetWriter::commit`] is the whole point of this file; `tests/faults.rs`
//! breaks every one of them. Reading is in `set.rs`, removing in `prune.rs`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::atomic::atomic_write_with;
use crate::error::RunError;
use crate::folder::RunFolder;
use crate::layout;
use crate::lock::SetsLock;
use crate::manifest::{Manifest, ManifestFile, hexadecimal};
use crate::note::Note;
use crate::prune::prune;
use crate::storage::{Storage, StorageFile, remove_tree};

/// Bytes gathered before they are handed to the system.
const BUFFER_BYTES: usize = 1 << 18;

/// How long a commit waits for one who replaces a card, which takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// A checkpoint set being written. Dropped without [`commit`](Self::commit), it leaves nothing.
#[derive(Debug)]
pub struct SetWriter<'run> {
    run: &'run mut RunFolder,
    name: String,
    step: u64,
    sequence: u64,
    temporary: PathBuf,
    files: BTreeMap<String, ManifestFile>,
    is_broken: bool,
    is_committed: bool,
}

/// What a commit did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Name of the new set.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// Names of the old sets removed.
    pub pruned: Vec<String>,
    /// What the user should hear.
    pub notes: Vec<Note>,
}

impl<'run> SetWriter<'run> {
    pub(crate) fn begin(
        run: &'run mut RunFolder,
        step: u64,
        sequence: u64,
    ) -> Result<Self, RunError> {
        let name = layout::set_name(step);
        let temporary = run.view().checkpoints_path().join(format!("{}{name}", layout::TEMPORARY));
        let storage = run.storage();
        // An attempt at this step that failed and could not clean up behind it.
        match storage.exists(&temporary) {
            Ok(false) => {}
            Ok(true) => remove_tree(storage, &temporary, true)
                .map_err(|source| RunError::io("remove", &temporary, source))?,
            Err(source) => return Err(RunError::io("look for", &temporary, source)),
        }
        storage
            .create_dir(&temporary)
            .map_err(|source| RunError::io("create", &temporary, source))?;
        let files = BTreeMap::new();
        Ok(Self {
            run,
            name,
            step,
            sequence,
            temporary,
            files,
            is_broken: false,
            is_committed: false,
        })
    }

    /// The folder name the set will have.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds a file with these contents. `name` may have folders in it (`tokenizer/vocab.json`).
    ///
    /// # Errors
    /// [`RunError::BadName`] for a name that is taken, reserved or leads out of the set; otherwise
    /// what the system reports, and the set can no longer be committed.
    pub fn put(&mut self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        let mut file = self.file(name)?;
        file.write_bytes(bytes)?;
        file.finish()
    }

    /// Adds a file that is written piece by piece; it counts once [`SetFile::finish`] returned.
    ///
    /// # Errors
    /// As for [`put`](Self::put).
    pub fn file(&mut self, name: &str) -> Result<SetFile<'_, 'run>, RunError> {
        layout::check_file_name(name)?;
        let bad = |reason| RunError::BadName { name: name.to_owned(), reason };
        if name == layout::MANIFEST {
            return Err(bad("it is reserved for the manifest"));
        }
        if self.files.contains_key(name) {
            return Err(bad("the set has a file of that name"));
        }
        let path = self.temporary.join(name);
        let created = self.create(name, &path);
        // Until `finish` there is a file that the manifest does not describe.
        self.is_broken = true;
        Ok(SetFile {
            file: created?,
            hasher: Sha256::new(),
            buffer: Vec::new(),
            bytes: 0,
            name: name.to_owned(),
            path,
            set: self,
        })
    }

    fn create(&self, name: &str, path: &Path) -> Result<Box<dyn StorageFile>, RunError> {
        if self.is_broken {
            return Err(RunError::IncompleteSet { set: self.name.clone() });
        }
        let storage = self.run.storage();
        for folder in folders_of(name) {
            let folder = self.temporary.join(folder);
            match storage.create_dir(&folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(RunError::io("create", &folder, error));
                }
                _ => {}
            }
        }
        storage.create_file(path).map_err(|source| RunError::io("create", path, source))
    }

    /// Makes the set the run's newest one, durably, then removes old sets so that `keep` stay (at
    /// least one; the best one always stays).
    ///
    /// After a crash at any moment the run has this set or the newest one before it. An error after
    /// the rename can leave this set in place: it is whole then and will be found.
    ///
    /// # Errors
    /// [`RunError::IncompleteSet`] when a write before failed; otherwise what the system reports.
    /// Old sets that cannot be removed are a note, not an error.
    pub fn commit(mut self, keep: usize) -> Result<Committed, RunError> {
        if self.is_broken {
            return Err(RunError::IncompleteSet { set: self.name.clone() });
        }
        let checkpoints = self.run.view().checkpoints_path();
        let target = checkpoints.join(&self.name);
        let replaced = checkpoints.join(format!("{}{}", layout::REPLACED, self.name));
        let mut notes = Vec::new();

        // 1. Every byte and every name inside the temporary folder reaches the disk.
        self.write_manifest()?;
        self.sync_folders()?;

        // Nobody replaces a card meanwhile. One who holds this too long must not stop the training.
        let _held = SetsLock::take(&checkpoints, PATIENCE);

        // 2. A set of the same step (damaged, or of a run that resumed earlier) steps aside.
        let storage = self.run.storage();
        let look = |path: &Path| {
            storage.exists(path).map_err(|source| RunError::io("look for", path, source))
        };
        let had_same_step = look(&target)?;
        if had_same_step {
            if look(&replaced)? {
                remove_tree(storage, &replaced, true)
                    .map_err(|source| RunError::io("remove", &replaced, source))?;
            }
            rename(storage, &target, &replaced)?;
            sync(storage, &checkpoints)?;
        }

        // 3. The set appears, whole, under its name.
        if let Err(error) = rename(storage, &self.temporary, &target) {
            if had_same_step {
                // If this fails too, the next open puts it back.
                let _best_effort = storage.rename(&replaced, &target);
            }
            return Err(error);
        }
        self.is_committed = true;
        sync(storage, &checkpoints)?;
        self.run.forget_damage(&self.name);

        // 4. The pointer moves.
        let storage = self.run.storage();
        let latest = self.run.view().path().join(layout::LATEST);
        atomic_write_with(storage, &latest, format!("{}\n", self.name).as_bytes())?;

        // 5. What is no longer needed goes.
        if had_same_step && let Err(error) = remove_tree(storage, &replaced, true) {
            notes.push(Note::NotRemoved { path: replaced, reason: error.to_string() });
        }
        let (pruned, prune_notes) =
            prune(self.run.view(), &self.name, keep, self.run.damaged_names());
        notes.extend(prune_notes);
        Ok(Committed { name: self.name.clone(), path: target, pruned, notes })
    }

    fn write_manifest(&mut self) -> Result<(), RunError> {
        let manifest = Manifest {
            step: self.step,
            sequence: self.sequence,
            files: self.files.values().cloned().collect(),
        };
        let path = self.temporary.join(layout::MANIFEST);
        let write = || {
            let mut file = self.run.storage().create_file(&path)?;
            file.write(&manifest.to_bytes())?;
            file.sync()
        };
        write().map_err(|source| RunError::io("write", &path, source))
    }

    fn sync_folders(&self) -> Result<(), RunError> {
        let mut folders: Vec<&str> = self.files.keys().flat_map(|name| folders_of(name)).collect();
        folders.sort_unstable();
        folders.dedup();
        for folder in folders {
            sync(self.run.storage(), &self.temporary.join(folder))?;
        }
        sync(self.run.storage(), &self.temporary)
    }
}

impl Drop for SetWriter<'_> {
    fn drop(&mut self) {
        if !self.is_committed {
            // Frees the space at once; if it fails, the next open removes it.
            let _best_effort = remove_tree(self.run.storage(), &self.temporary, true);
        }
    }
}

/// A file of a set being written. Dropped before [`finish`](Self::finish), it spoils the set.
#[derive(Debug)]
pub struct SetFile<'set, 'run> {
    set: &'set mut SetWriter<'run>,
    file: Box<dyn StorageFile>,
    hasher: Sha256,
    buffer: Vec<u8>,
    bytes: u64,
    name: String,
    path: PathBuf,
}

impl SetFile<'_, '_> {
    /// Appends `bytes`.
    ///
    /// # Errors
    /// What the system reports; the set can no longer be committed then.
    pub fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), RunError> {
        io::Write::write_all(self, bytes)
            .map_err(|source| RunError::io("write", &self.path, source))
    }

    /// Writes what is left, fsyncs the file and enters it into the manifest.
    ///
    /// # Errors
    /// What the system reports; the set can no longer be committed then.
    pub fn finish(mut self) -> Result<(), RunError> {
        io::Write::flush(&mut self)
            .and_then(|()| self.file.sync())
            .map_err(|source| RunError::io("write", &self.path, source))?;
        let entry = ManifestFile {
            name: self.name.clone(),
            bytes: self.bytes,
            sha256: hexadecimal(&self.hasher.finalize()),
        };
        self.set.files.insert(self.name, entry);
        self.set.is_broken = false;
        Ok(())
    }
}

/// Buffered: small writes are gathered. [`flush`](io::Write::flush) does not fsync, `finish` does.
impl io::Write for SetFile<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        if bytes.len() >= BUFFER_BYTES {
            self.file.write(bytes)?;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        self.hasher.update(bytes);
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

/// The folders inside a name, outermost first: `a/b/c` has `a` and `a/b`.
fn folders_of(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('/').map(|(end, _)| &name[..end])
}

fn rename(storage: &dyn Storage, from: &Path, to: &Path) -> Result<(), RunError> {
    storage.rename(from, to).map_err(|source| RunError::io("rename", from, source))
}

fn sync(storage: &dyn Storage, folder: &Path) -> Result<(), RunError> {
    storage.sync_dir(folder).map_err(|source| RunError::io("sync", folder, source))
}
