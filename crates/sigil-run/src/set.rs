//! A checkpoint set as it lies on disk: checked against its manifest, then read.
//!
//! Not its making (`set_writer.rs`) and not the meaning of its files (the training loop knows).

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::error::RunError;
use crate::layout;
use crate::manifest::{Manifest, ManifestError, ManifestFile, hexadecimal};
use crate::storage::Storage;

/// What is wrong with a set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// There is no manifest, or it is not one.
    #[error("`manifest.json` is unusable: {0}")]
    Manifest(#[from] ManifestError),
    /// The manifest belongs to another step.
    #[error("its manifest is that of step {0}")]
    WrongStep(u64),
    /// A file cannot be read.
    #[error("`{name}` cannot be read: {reason}")]
    Unreadable {
        /// The file inside the set.
        name: String,
        /// What the system reports.
        reason: String,
    },
    /// A file is longer or shorter than it was written.
    #[error("`{name}` has {found} bytes instead of {expected}")]
    WrongLength {
        /// The file inside the set.
        name: String,
        /// The length in the manifest.
        expected: u64,
        /// The length found; reading stops soon after `expected`.
        found: u64,
    },
    /// A file's bytes are not those written.
    #[error("the bytes of `{name}` have changed since it was written (SHA-256 differs)")]
    WrongHash {
        /// The file inside the set.
        name: String,
    },
    /// `latest` names a set that is not there.
    #[error("`latest` names it, but it is not there")]
    Missing,
}

/// A set that cannot be used, for a loud message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedSet {
    /// Name of the set's folder.
    pub set: String,
    /// Where it lies.
    pub path: PathBuf,
    /// What is wrong with it.
    pub damage: Damage,
}

impl fmt::Display for DamagedSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "checkpoint set `{}` is damaged and was passed over: {}", self.set, self.damage)
    }
}

/// The answer to "where can this run go on".
#[derive(Debug)]
pub struct NewestSet {
    /// The newest set whose every byte is as written; `None` when there is none.
    pub set: Option<CheckpointSet>,
    /// Newer sets that are damaged: to be printed loudly, one line each.
    pub damaged: Vec<DamagedSet>,
}

/// One set whose manifest is sound.
#[derive(Debug, Clone)]
pub struct CheckpointSet {
    storage: Arc<dyn Storage>,
    folder: PathBuf,
    name: String,
    manifest: Manifest,
}

impl CheckpointSet {
    /// Reads the manifest of the set in `folder`; the files are not looked at yet.
    pub(crate) fn open(
        storage: &Arc<dyn Storage>,
        folder: &Path,
        name: &str,
        step: u64,
    ) -> Result<Self, Damage> {
        let path = folder.join(layout::MANIFEST);
        let bytes = storage.read(&path).map_err(|error| Damage::Unreadable {
            name: layout::MANIFEST.into(),
            reason: sentence(&error),
        })?;
        let manifest = Manifest::parse(&bytes)?;
        if manifest.step != step {
            return Err(Damage::WrongStep(manifest.step));
        }
        Ok(Self {
            storage: Arc::clone(storage),
            folder: folder.to_owned(),
            name: name.to_owned(),
            manifest,
        })
    }

    /// The optimizer step after which the set was made.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.manifest.step
    }

    /// The folder name, such as `step-00000123`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The manifest: files, lengths, hashes, commit number.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether the set holds a file of this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.manifest.file(name).is_some()
    }

    /// Where a file of the set lies, for readers that map it; the bytes are not checked here.
    ///
    /// # Errors
    /// [`RunError::NoSuchFile`] when the manifest does not list it.
    pub fn path(&self, name: &str) -> Result<PathBuf, RunError> {
        self.entry(name).map(|_| self.folder.join(name))
    }

    /// The contents of a file, checked against the manifest as they are read.
    ///
    /// # Errors
    /// [`RunError::NoSuchFile`], or [`RunError::DamagedSet`] when the bytes are not those written.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, RunError> {
        let read = |entry: &ManifestFile| {
            let mut contents = Vec::new();
            self.check_file(entry, |bytes| contents.extend_from_slice(bytes)).map(|()| contents)
        };
        let found = match read(self.entry(name)?) {
            Err(damage) if name == layout::CARD => {
                self.other_seals_of_the_card().find_map(|seal| read(&seal).ok()).ok_or(damage)
            }
            found => found,
        };
        found.map_err(|damage| RunError::DamagedSet { path: self.folder.clone(), damage })
    }

    /// Reads every file and compares it with the manifest.
    ///
    /// # Errors
    /// The first [`Damage`] found.
    pub fn verify(&self) -> Result<(), Damage> {
        self.manifest.files.iter().try_for_each(|file| match self.check_file(file, |_| {}) {
            Err(damage) if file.name == layout::CARD => self
                .other_seals_of_the_card()
                .find_map(|seal| self.check_file(&seal, |_| {}).ok())
                .ok_or(damage),
            checked => checked,
        })
    }

    /// What the set's manifests say of the card by now. It is the only file that is ever replaced
    /// (`reseal.rs`): that may have happened since the manifest was read, or be cut short.
    fn other_seals_of_the_card(&self) -> impl Iterator<Item = ManifestFile> {
        let all_but_the_card = |manifest: &Manifest| {
            let files = manifest.files.iter().filter(|file| file.name != layout::CARD);
            (manifest.step, manifest.sequence, files.cloned().collect::<Vec<_>>())
        };
        [layout::MANIFEST, layout::NEXT_MANIFEST].into_iter().filter_map(move |name| {
            let bytes = self.storage.read(&self.folder.join(name)).ok()?;
            let manifest = Manifest::parse(&bytes).ok()?;
            let is_of_this_set = all_but_the_card(&manifest) == all_but_the_card(&self.manifest);
            manifest.file(layout::CARD).filter(|_| is_of_this_set).cloned()
        })
    }

    fn entry(&self, name: &str) -> Result<&ManifestFile, RunError> {
        self.manifest.file(name).ok_or_else(|| RunError::NoSuchFile {
            path: self.folder.clone(),
            name: name.to_owned(),
        })
    }

    fn check_file(&self, file: &ManifestFile, mut take: impl FnMut(&[u8])) -> Result<(), Damage> {
        let unreadable = |error: io::Error| Damage::Unreadable {
            name: file.name.clone(),
            reason: sentence(&error),
        };
        let mut reader = self.storage.open(&self.folder.join(&file.name)).map_err(unreadable)?;
        let mut hasher = Sha256::new();
        let mut found = 0_u64;
        let mut buffer = vec![0; 1 << 18];
        // Stops soon after the expected length: a file grown to a terabyte is not read to its end.
        while found <= file.bytes {
            let count = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(error)),
            };
            hasher.update(&buffer[..count]);
            take(&buffer[..count]);
            found += count as u64;
        }
        if found != file.bytes {
            let (name, expected) = (file.name.clone(), file.bytes);
            return Err(Damage::WrongLength { name, expected, found });
        }
        if hexadecimal(&hasher.finalize()) != file.sha256 {
            return Err(Damage::WrongHash { name: file.name.clone() });
        }
        Ok(())
    }
}

/// A system error without its number, for the middle of a sentence.
fn sentence(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it is not there".to_owned(),
        _ => error.to_string(),
    }
}
