//! The run folder as its one writer sees it.
//!
//! Opening it takes the lock, makes the folders, and clears away what a killed process left.
//! Reading goes through [`RunView`]; sets are made in `set_writer.rs`, metrics in `metrics/`.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::atomic::{atomic_write_with, free_space, parent_of};
use crate::best::Best;
use crate::error::RunError;
use crate::layout;
use crate::lock::RunLock;
use crate::metrics::{MetricsWriter, ResumePoint};
use crate::note::Note;
use crate::record::{RunIdentity, RunRecord};
use crate::set::NewestSet;
use crate::set_writer::SetWriter;
use crate::storage::{RealStorage, Storage, remove_tree};
use crate::view::RunView;

/// A run folder held for writing by this process.
#[derive(Debug)]
pub struct RunFolder {
    view: RunView,
    record: RunRecord,
    is_new: bool,
    next_sequence: u64,
    damaged: BTreeSet<String>,
    _lock: RunLock,
}

impl RunFolder {
    /// Opens the run in `path`, or begins one there (the folder and its parents are created).
    ///
    /// A run that exists keeps its own `run.json`: compare [`record`](Self::record) with `identity`.
    /// The notes say what a killed process had left and what was done about it.
    ///
    /// # Errors
    /// [`RunError::Locked`] when another process writes there, [`RunError::ForeignFolder`] when the
    /// folder holds something else, [`RunError::NewerFormat`], [`RunError::DamagedRecord`], or what
    /// the system reports.
    pub fn create_or_open(
        path: impl AsRef<Path>,
        identity: &RunIdentity,
    ) -> Result<(Self, Vec<Note>), RunError> {
        Self::create_or_open_with(path, identity, Arc::new(RealStorage))
    }

    /// [`create_or_open`](Self::create_or_open) over a given storage. The lock is always the real
    /// file system's.
    ///
    /// # Errors
    /// The same.
    pub fn create_or_open_with(
        path: impl AsRef<Path>,
        identity: &RunIdentity,
        storage: Arc<dyn Storage>,
    ) -> Result<(Self, Vec<Note>), RunError> {
        let root = path.as_ref();
        create_folders(storage.as_ref(), root)?;
        refuse_foreign(storage.as_ref(), root)?;
        let lock = RunLock::take(root)?;
        let record_path = root.join(layout::RECORD);
        let is_new = !storage
            .exists(&record_path)
            .map_err(|source| RunError::io("look for", &record_path, source))?;
        if is_new {
            let bytes = RunRecord::new(identity).to_bytes();
            atomic_write_with(storage.as_ref(), &record_path, &bytes)?;
        }
        Self::open_locked(root, storage, lock, is_new)
    }

    /// Opens a run that must exist.
    ///
    /// # Errors
    /// [`RunError::NoRun`] when there is none, otherwise as for
    /// [`create_or_open`](Self::create_or_open).
    pub fn open(path: impl AsRef<Path>) -> Result<(Self, Vec<Note>), RunError> {
        Self::open_with(path, Arc::new(RealStorage))
    }

    /// [`open`](Self::open) over a given storage.
    ///
    /// # Errors
    /// The same.
    pub fn open_with(
        path: impl AsRef<Path>,
        storage: Arc<dyn Storage>,
    ) -> Result<(Self, Vec<Note>), RunError> {
        let root = path.as_ref();
        RunView::open_with(root, Arc::clone(&storage))?;
        let lock = RunLock::take(root)?;
        Self::open_locked(root, storage, lock, false)
    }

    fn open_locked(
        root: &Path,
        storage: Arc<dyn Storage>,
        lock: RunLock,
        is_new: bool,
    ) -> Result<(Self, Vec<Note>), RunError> {
        let view = RunView { storage, root: root.to_owned() };
        let record = view.record()?;
        let storage = view.storage.as_ref();
        for folder in [layout::CHECKPOINTS, layout::TENSORBOARD] {
            create_folders(storage, &root.join(folder))?;
        }
        let mut notes = Vec::new();
        restore_replaced(storage, &view.checkpoints_path(), &mut notes)?;
        remove_leftovers(storage, root, &mut notes)?;
        remove_leftovers(storage, &view.checkpoints_path(), &mut notes)?;
        let newest = view.sets()?.first().map_or(0, |set| set.manifest().sequence);
        let damaged = BTreeSet::new();
        let next_sequence = newest.saturating_add(1);
        Ok((Self { view, record, is_new, next_sequence, damaged, _lock: lock }, notes))
    }

    /// The same run for reading; it can be cloned and kept.
    #[must_use]
    pub fn view(&self) -> &RunView {
        &self.view
    }

    /// The run's folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.view.path()
    }

    /// What `run.json` says: the identity the run began with.
    #[must_use]
    pub fn record(&self) -> &RunRecord {
        &self.record
    }

    /// Whether the run began with this opening.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// The bytes that can still be written to the run's file system.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn free_space(&self) -> Result<u64, RunError> {
        free_space(self.path())
    }

    /// Writes a file at the top of the run folder (`config.toml`, `README.md`), whole or not at all.
    ///
    /// # Errors
    /// [`RunError::BadName`] for one of this crate's own files or a path, or what the system reports.
    pub fn write_file(&self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        let own = [
            layout::RECORD,
            layout::LOCK,
            layout::LATEST,
            layout::BEST,
            layout::METRICS,
            layout::CHECKPOINTS,
            layout::TENSORBOARD,
        ];
        layout::check_file_name(name)?;
        if name.contains('/') || own.contains(&name) {
            let reason = "it belongs to the run folder itself or lies in a folder";
            return Err(RunError::BadName { name: name.to_owned(), reason });
        }
        atomic_write_with(self.storage(), &self.path().join(name), bytes)
    }

    /// Begins the checkpoint set of a step. A set of that step that exists is replaced on commit.
    ///
    /// # Errors
    /// What the system reports when the temporary folder cannot be made.
    pub fn begin_set(&mut self, step: u64) -> Result<SetWriter<'_>, RunError> {
        let sequence = self.next_sequence;
        self.next_sequence = self.next_sequence.saturating_add(1);
        SetWriter::begin(self, step, sequence)
    }

    /// The newest set that is whole; see [`RunView::newest_whole_set`]. Damaged sets found are
    /// remembered: they no longer count among the kept ones and are pruned first.
    ///
    /// # Errors
    /// [`RunError::Io`] when the folder of the sets cannot be listed.
    pub fn newest_whole_set(&mut self) -> Result<NewestSet, RunError> {
        let newest = self.view.newest_whole_set()?;
        self.damaged.extend(newest.damaged.iter().map(|damaged| damaged.set.clone()));
        Ok(newest)
    }

    /// Remembers the set of `step` as the best one so far; pruning spares it.
    ///
    /// # Errors
    /// [`RunError::NoSuchSet`] when it was never committed, [`RunError::NotFinite`] for a value that
    /// is no number, or what the system reports.
    pub fn mark_best(&mut self, step: u64, metric: &str, value: f64) -> Result<(), RunError> {
        if !value.is_finite() {
            return Err(RunError::NotFinite { metric: metric.to_owned(), value });
        }
        let set = self.view.set(step)?.name().to_owned();
        let best = Best { set, step, metric: metric.to_owned(), value };
        atomic_write_with(self.storage(), &self.path().join(layout::BEST), &best.to_bytes())
    }

    /// Opens the metrics for appending; see [`MetricsWriter`]. Event files go to `tensorboard` in the
    /// run's folder.
    ///
    /// # Errors
    /// What the system reports.
    pub fn metrics_writer(
        &self,
        resume: ResumePoint,
        wall_time_secs: f64,
    ) -> Result<(MetricsWriter, Vec<Note>), RunError> {
        self.metrics_writer_in(&self.path().join(layout::TENSORBOARD), resume, wall_time_secs)
    }

    /// [`metrics_writer`](Self::metrics_writer) with the event files in a folder of their own, which
    /// is created.
    ///
    /// # Errors
    /// What the system reports.
    pub fn metrics_writer_in(
        &self,
        events_folder: &Path,
        resume: ResumePoint,
        wall_time_secs: f64,
    ) -> Result<(MetricsWriter, Vec<Note>), RunError> {
        create_folders(self.storage(), events_folder)?;
        MetricsWriter::open(&self.view, resume, events_folder, wall_time_secs)
    }

    /// Takes back a run that this opening began and that holds nothing: its folder goes.
    ///
    /// A run with a set or any other file stays as it is, and so does one that was there before.
    ///
    /// # Errors
    /// What the system reports.
    pub fn abandon(self) -> Result<(), RunError> {
        let root = self.path().to_owned();
        let storage = self.storage();
        let failed = |source| RunError::io("remove", &root, source);
        let own = [layout::RECORD, layout::LOCK, layout::CHECKPOINTS, layout::TENSORBOARD];
        let names = storage.list(&root).map_err(failed)?;
        let holds_more = names.iter().any(|entry| !own.iter().any(|name| entry.name == *name));
        if !self.is_new || holds_more || !self.view.sets()?.is_empty() {
            return Ok(());
        }
        for folder in [layout::CHECKPOINTS, layout::TENSORBOARD] {
            storage.remove_dir(&root.join(folder)).map_err(failed)?;
        }
        for file in [layout::RECORD, layout::LOCK] {
            storage.remove_file(&root.join(file)).map_err(failed)?;
        }
        storage.remove_dir(&root).map_err(failed)
    }

    pub(crate) fn storage(&self) -> &dyn Storage {
        self.view.storage.as_ref()
    }

    pub(crate) fn damaged_names(&self) -> &BTreeSet<String> {
        &self.damaged
    }

    pub(crate) fn forget_damage(&mut self, set: &str) {
        self.damaged.remove(set);
    }
}

/// Creates a folder and its missing parents, each name made durable.
fn create_folders(storage: &dyn Storage, folder: &Path) -> Result<(), RunError> {
    let failed = |source| RunError::io("create", folder, source);
    if storage.exists(folder).map_err(failed)? {
        return Ok(());
    }
    let parent = parent_of(folder);
    if parent != folder {
        create_folders(storage, &parent)?;
    }
    match storage.create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(error)),
        _ => storage.sync_dir(&parent).map_err(failed),
    }
}

/// A folder without `run.json` may hold only what a run killed at its very beginning leaves.
fn refuse_foreign(storage: &dyn Storage, root: &Path) -> Result<(), RunError> {
    let entries = storage.list(root).map_err(|source| RunError::io("list", root, source))?;
    let is_run = entries.iter().any(|entry| entry.name == layout::RECORD);
    let foreign = entries.iter().map(|entry| entry.name.to_string_lossy()).find(|name| {
        !is_run && name.as_ref() != layout::LOCK && !name.starts_with(layout::TEMPORARY)
    });
    match foreign {
        Some(found) => {
            Err(RunError::ForeignFolder { path: root.to_owned(), found: found.into_owned() })
        }
        None => Ok(()),
    }
}

/// Finishes or takes back the replacement of a set that a killed process had begun.
fn restore_replaced(
    storage: &dyn Storage,
    checkpoints: &Path,
    notes: &mut Vec<Note>,
) -> Result<(), RunError> {
    let entries =
        storage.list(checkpoints).map_err(|source| RunError::io("list", checkpoints, source))?;
    let names: Vec<&str> = entries.iter().filter_map(|entry| entry.name.to_str()).collect();
    for name in names.iter().filter_map(|name| name.strip_prefix(layout::REPLACED)) {
        let path = checkpoints.join(format!("{}{name}", layout::REPLACED));
        if names.contains(&name) {
            remove_noting(storage, &path, true, notes);
            continue;
        }
        storage
            .rename(&path, &checkpoints.join(name))
            .and_then(|()| storage.sync_dir(checkpoints))
            .map_err(|source| RunError::io("put back", &path, source))?;
        notes.push(Note::ReplacedSetRestored { set: name.to_owned() });
    }
    Ok(())
}

/// Removes what a killed process was writing or removing.
fn remove_leftovers(
    storage: &dyn Storage,
    folder: &Path,
    notes: &mut Vec<Note>,
) -> Result<(), RunError> {
    let entries = storage.list(folder).map_err(|source| RunError::io("list", folder, source))?;
    for entry in entries {
        if entry.name.to_string_lossy().starts_with(layout::TEMPORARY) {
            remove_noting(storage, &folder.join(&entry.name), entry.is_dir, notes);
        }
    }
    Ok(())
}

fn remove_noting(storage: &dyn Storage, path: &Path, is_dir: bool, notes: &mut Vec<Note>) {
    let path = path.to_owned();
    notes.push(match remove_tree(storage, &path, is_dir) {
        Ok(()) => Note::LeftoverRemoved { path },
        Err(error) => Note::NotRemoved { path, reason: error.to_string() },
    });
}
