//! A run seen by a reader that takes no lock: what sets there are and which one is newest and whole.
//!
//! Changes nothing on disk. The writer is [`crate::RunFolder`], which reads through this too.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::best::Best;
use crate::error::RunError;
use crate::layout;
use crate::lock::RunLock;
use crate::metrics::MetricsFile;
use crate::record::RunRecord;
use crate::set::{CheckpointSet, Damage, DamagedSet, NewestSet};
use crate::storage::{RealStorage, Storage};

/// A run folder opened for reading.
#[derive(Debug, Clone)]
pub struct RunView {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) root: PathBuf,
}

/// A set's folder, with its manifest if that is sound.
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) step: u64,
    pub(crate) set: Result<CheckpointSet, Damage>,
}

impl RunView {
    /// Opens the run in `path` for reading; it may be in use by a writer.
    ///
    /// # Errors
    /// [`RunError::NoRun`] when there is no `run.json`; [`RunError::Io`] when it cannot be looked for.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, RunError> {
        Self::open_with(path.as_ref(), Arc::new(RealStorage))
    }

    pub(crate) fn open_with(path: &Path, storage: Arc<dyn Storage>) -> Result<Self, RunError> {
        let record = path.join(layout::RECORD);
        match storage.exists(&record) {
            Ok(true) => Ok(Self { storage, root: path.to_owned() }),
            Ok(false) => Err(RunError::NoRun { path: path.to_owned() }),
            Err(source) => Err(RunError::io("read", &record, source)),
        }
    }

    /// The run's folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The folder of the checkpoint sets.
    #[must_use]
    pub fn checkpoints_path(&self) -> PathBuf {
        self.root.join(layout::CHECKPOINTS)
    }

    /// Whether a process writes to this run now: it is being trained, or made ready to be.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn has_writer(&self) -> Result<bool, RunError> {
        RunLock::is_held(&self.root)
    }

    /// What `run.json` says.
    ///
    /// # Errors
    /// [`RunError::DamagedRecord`], [`RunError::NewerFormat`] or an I/O error.
    pub fn record(&self) -> Result<RunRecord, RunError> {
        let path = self.root.join(layout::RECORD);
        let bytes =
            self.storage.read(&path).map_err(|source| RunError::io("read", &path, source))?;
        RunRecord::parse(&bytes, &path)
    }

    /// The contents of a file at the top of the run folder, or `None` when it is not there.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn read_file(&self, name: &str) -> Result<Option<Vec<u8>>, RunError> {
        let path = self.root.join(name);
        match self.storage.read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(RunError::io("read", &path, source)),
        }
    }

    /// The best set so far, or `None` when none has been marked.
    ///
    /// # Errors
    /// [`RunError::DamagedRecord`] when `best` cannot be understood, or an I/O error.
    pub fn best(&self) -> Result<Option<Best>, RunError> {
        let Some(bytes) = self.read_file(layout::BEST)? else { return Ok(None) };
        let path = self.root.join(layout::BEST);
        Best::parse(&bytes).map(Some).map_err(|reason| RunError::DamagedRecord { path, reason })
    }

    /// The metrics logged so far; empty when there are none.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn metrics(&self) -> Result<MetricsFile, RunError> {
        Ok(MetricsFile::parse(&self.read_file(layout::METRICS)?.unwrap_or_default()))
    }

    /// All sets with a sound manifest, newest first; their files are not checked.
    ///
    /// # Errors
    /// [`RunError::Io`] when the folder cannot be listed.
    pub fn sets(&self) -> Result<Vec<CheckpointSet>, RunError> {
        Ok(self.find_sets()?.into_iter().filter_map(|found| found.set.ok()).collect())
    }

    /// The set of one step, its manifest checked and its files not.
    ///
    /// # Errors
    /// [`RunError::NoSuchSet`], or [`RunError::DamagedSet`] when its manifest is unusable.
    pub fn set(&self, step: u64) -> Result<CheckpointSet, RunError> {
        match self.find_sets()?.into_iter().find(|found| found.step == step) {
            Some(Found { set: Ok(set), .. }) => Ok(set),
            Some(Found { folder, set: Err(damage), .. }) => {
                Err(RunError::DamagedSet { path: folder, damage })
            }
            None => Err(RunError::NoSuchSet {
                set: layout::set_name(step),
                path: self.checkpoints_path(),
            }),
        }
    }

    /// The newest set that is whole, every byte of it compared with its manifest.
    ///
    /// "Newest" is the order of the commits, not of the steps. Damaged sets are never chosen; those
    /// that might have been newer come back in [`NewestSet::damaged`].
    ///
    /// # Errors
    /// [`RunError::Io`] when the folder of the sets cannot be listed; what is wrong with a set is
    /// not an error.
    pub fn newest_whole_set(&self) -> Result<NewestSet, RunError> {
        let mut damaged = Vec::new();
        let mut newest = None;
        let found_sets = self.find_sets()?;
        let latest = self.latest_name()?;
        if let Some(latest) = latest
            && !found_sets.iter().any(|found| found.name == latest)
        {
            let path = self.checkpoints_path().join(&latest);
            damaged.push(DamagedSet { set: latest, path, damage: Damage::Missing });
        }
        for Found { name, folder, set, .. } in found_sets {
            let damage = match set {
                Err(damage) => damage,
                Ok(_) if newest.is_some() => continue,
                Ok(set) => match set.verify() {
                    Err(damage) => damage,
                    Ok(()) => {
                        newest = Some(set);
                        continue;
                    }
                },
            };
            damaged.push(DamagedSet { set: name, path: folder, damage });
        }
        Ok(NewestSet { set: newest, damaged })
    }

    /// The set that `latest` names, if it names one.
    ///
    /// It is a convenience for people and other tools: the commit numbers in the manifests decide.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn latest_name(&self) -> Result<Option<String>, RunError> {
        let Some(bytes) = self.read_file(layout::LATEST)? else { return Ok(None) };
        let name = String::from_utf8_lossy(&bytes).trim().to_owned();
        Ok(layout::step_of(&name).map(|_| name))
    }

    /// Every set's folder: unusable manifests first (by falling step), then by falling commit number.
    pub(crate) fn find_sets(&self) -> Result<Vec<Found>, RunError> {
        let checkpoints = self.checkpoints_path();
        let entries = match self.storage.list(&checkpoints) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(RunError::io("list", &checkpoints, source)),
        };
        let names: Vec<&str> = entries.iter().filter_map(|entry| entry.name.to_str()).collect();
        let mut found = Vec::new();
        for entry in &names {
            let name = entry.strip_prefix(layout::REPLACED).unwrap_or(entry);
            let Some(step) = layout::step_of(name) else { continue };
            // Between two renames of a replacement only the replaced one has a place.
            if *entry != name && names.contains(&name) {
                continue;
            }
            let folder = checkpoints.join(entry);
            let set = CheckpointSet::open(&self.storage, &folder, name, step);
            found.push(Found { name: name.to_owned(), folder, step, set });
        }
        found.sort_by_key(|found| {
            let sequence = found.set.as_ref().map_or(u64::MAX, |set| set.manifest().sequence);
            std::cmp::Reverse((sequence, found.step))
        });
        Ok(found)
    }
}
