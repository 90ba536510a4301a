//! Reading of whole sources, and the settings of every reading.
//!
//! Is: the limits that apply to every source, judging on all cores in the order of the rows, and
//! the counting. Is not: a format. Next: `open.rs`, `reader.rs`, `gate.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use sigil_filter::Session;

use super::columns::ColumnNames;
use super::gate::FilterStage;
use super::open::OpenSource;
use super::reader::{Item, SourceReader};
use super::{PathRules, SourceError, SourceSpec};
use crate::ledger::{Ledger, Quarantined, Reason, Stage};
use crate::rows::Row;

/// Rows that are judged together.
const ROWS_AT_ONCE: usize = 256;
/// Bad rows that must have been met before a reading ends early because of their share.
const BAD_ROWS_BEFORE_STOP: u64 = 100;

/// Says how sources are read.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadSettings {
    /// Folder that relative paths start from.
    pub base_folder: PathBuf,
    /// Cargo's home folder, for `registry:` sources.
    pub cargo_home: Option<PathBuf>,
    /// Columns that have other names than the known ones.
    pub columns: ColumnNames,
    /// Fewest characters of a row's text.
    pub min_chars: usize,
    /// Most characters of a row's text.
    pub max_chars: usize,
    /// Which files are left out by their path.
    pub paths: PathRules,
    /// Most bytes that a compressed file may expand to (`dataset.max_expanded_bytes`).
    pub expansion_cap_bytes: u64,
    /// Factor of a row's weight by its `_task_type`.
    pub task_weights: BTreeMap<String, f32>,
    /// Largest share of rows that may be unreadable, from 0 (the first one is an error) to 1.
    pub max_bad_fraction: f64,
    /// The rules about the code itself.
    pub filter: FilterStage,
}

impl ReadSettings {
    /// Returns the defaults: any length from 1 to 200,000 characters, every path, 64 GiB, no bad
    /// row.
    pub fn new(base_folder: impl Into<PathBuf>) -> Self {
        Self {
            base_folder: base_folder.into(),
            cargo_home: None,
            columns: ColumnNames::default(),
            min_chars: 1,
            max_chars: 200_000,
            paths: PathRules::default(),
            expansion_cap_bytes: 64 << 30,
            task_weights: BTreeMap::new(),
            max_bad_fraction: 0.0,
            filter: FilterStage::default(),
        }
    }

    /// Names the file of an error or origin: relative to the base folder where it lies inside.
    pub(super) fn shown(&self, path: &Path) -> Arc<str> {
        let shown = path.strip_prefix(&self.base_folder).unwrap_or(path);
        Arc::from(shown.to_string_lossy().replace('\\', "/"))
    }
}

/// Reads the rows of all sources, one source after the other.
///
/// # Errors
/// The first source that cannot be read: none is skipped.
pub fn read_sources(
    specs: &[SourceSpec],
    settings: &ReadSettings,
    ledger: &mut Ledger,
) -> Result<Vec<Row>, SourceError> {
    let mut rows = Vec::new();
    visit_sources(specs, settings, ledger, |row| rows.push(row))?;
    Ok(rows)
}

/// Gives the rows of all sources to `visit` as they are read, one source after the other, so that no
/// more than a batch of them is in memory.
///
/// # Errors
/// The first source that cannot be read: none is skipped.
pub fn visit_sources(
    specs: &[SourceSpec],
    settings: &ReadSettings,
    ledger: &mut Ledger,
    mut visit: impl FnMut(Row),
) -> Result<(), SourceError> {
    let shared = Arc::new(settings.clone());
    for spec in specs {
        let source = Arc::new(OpenSource::open(spec, settings)?);
        let mut judged = JudgedRows::new(source, Arc::clone(&shared));
        while let Some(some) = judged.next_batch(ledger)? {
            some.into_iter().for_each(&mut visit);
        }
    }
    Ok(())
}

/// The rows of a source that pass the gate, in batches, with the account of the others.
pub(crate) struct JudgedRows {
    reader: SourceReader,
    source: Arc<OpenSource>,
    settings: Arc<ReadSettings>,
    read: u64,
    bad: u64,
    /// What is wrong with the first bad row.
    first_bad: Option<String>,
    ended: bool,
}

impl JudgedRows {
    /// Starts at the first row.
    pub(crate) fn new(source: Arc<OpenSource>, settings: Arc<ReadSettings>) -> Self {
        let reader = SourceReader::new(Arc::clone(&source), Arc::clone(&settings));
        Self { reader, source, settings, read: 0, bad: 0, first_bad: None, ended: false }
    }

    /// Returns the next rows that pass, perhaps none of a batch; `None` at the end of the source.
    pub(crate) fn next_batch(
        &mut self,
        ledger: &mut Ledger,
    ) -> Result<Option<Vec<Row>>, SourceError> {
        if self.ended {
            return Ok(None);
        }
        if self.read == 0 {
            self.source.notes.iter().for_each(|note| ledger.note(note.as_str()));
        }
        let mut items = Vec::with_capacity(ROWS_AT_ONCE);
        while items.len() < ROWS_AT_ONCE && !self.ended {
            match self.reader.next() {
                Some(item) => items.push(item?),
                None => self.ended = true,
            }
        }
        let settings = &self.settings;
        let judge = |session: &mut Option<Session>, item: Item| match item {
            Item::Row(mut fitted) => {
                let reason = settings.judge(&mut fitted, session.as_mut());
                (Item::Row(fitted), reason)
            }
            other => (other, None),
        };
        let judged: Vec<(Item, Option<Reason>)> =
            items.into_par_iter().map_init(|| settings.filter.session(), judge).collect();
        let mut rows = Vec::with_capacity(judged.len());
        for (item, reason) in judged {
            self.read += 1;
            match (item, reason) {
                (Item::Row(fitted), None) => {
                    ledger.keep(Stage::Read);
                    rows.push(fitted.row);
                }
                (Item::Row(fitted), Some(reason)) => {
                    ledger.drop_row(Stage::Read, reason, &fitted.row.origin);
                }
                (Item::Dropped(origin, reason), _) => {
                    ledger.drop_row(Stage::Read, reason, &origin);
                }
                (Item::Bad(bad), _) => self.quarantine(*bad, ledger)?,
            }
        }
        if self.ended && self.too_many_bad() {
            return Err(self.many_bad());
        }
        Ok(Some(rows))
    }

    fn quarantine(
        &mut self,
        bad: super::reader::BadRow,
        ledger: &mut Ledger,
    ) -> Result<(), SourceError> {
        self.bad += 1;
        if bad.fatal || self.settings.max_bad_fraction <= 0.0 {
            return Err(bad.error);
        }
        // The message names file and row.
        self.first_bad.get_or_insert_with(|| bad.error.to_string());
        ledger.drop_row(Stage::Read, Reason::Bad, &bad.origin);
        ledger.quarantine(Quarantined {
            place: bad.origin.to_string(),
            reason: bad.error.to_string(),
            raw: bad.raw,
        });
        if self.bad > BAD_ROWS_BEFORE_STOP && self.too_many_bad() {
            return Err(self.many_bad());
        }
        Ok(())
    }

    fn too_many_bad(&self) -> bool {
        self.bad as f64 > self.settings.max_bad_fraction * self.read as f64
    }

    fn many_bad(&self) -> SourceError {
        SourceError::ManyBad {
            spec: self.source.name().to_owned(),
            bad: self.bad,
            read: self.read,
            limit: self.settings.max_bad_fraction,
            first: self.first_bad.clone().unwrap_or_default(),
        }
    }
}
