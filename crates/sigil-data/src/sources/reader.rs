//! Rows of one source, pulled one after the other.
//!
//! Is: the walk over a source's parts, and reopening at any time, so that a source of any size is
//! read in little memory. Is not: a limit or a rule (`gate.rs`). Next: `json_rows.rs`,
//! `parquet_rows.rs`, `rust_files.rs` for the parts.

use std::sync::Arc;

use super::columns::{Fitted, Misfit};
use super::open::{OpenSource, Part};
use super::{ReadSettings, SourceError, json_rows, parquet_rows, rust_files};
use crate::ledger::Reason;
use crate::rows::Origin;

/// What one place of a source holds.
#[derive(Debug)]
pub(super) enum Item {
    /// A row, with the path that its data names.
    Row(Box<Fitted>),
    /// A row that is dropped without a look at its text.
    Dropped(Origin, Reason),
    /// A row that cannot be read.
    Bad(Box<BadRow>),
}

/// A row that cannot be read, and why.
#[derive(Debug)]
pub(super) struct BadRow {
    pub(super) origin: Origin,
    /// The error if bad rows are not tolerated.
    pub(super) error: SourceError,
    /// What was found there, cut short.
    pub(super) raw: String,
    /// Whether the whole file is of another form, which no share of bad rows excuses.
    pub(super) fatal: bool,
}

/// Most bytes of a bad row that are kept.
const RAW_BYTES: usize = 4096;

/// The rows of one part.
pub(super) type PartRows = Box<dyn Iterator<Item = Result<Item, SourceError>> + Send>;

/// Pulls the rows of a source.
pub(super) struct SourceReader {
    source: Arc<OpenSource>,
    settings: Arc<ReadSettings>,
    next_part: usize,
    rows: Option<PartRows>,
}

impl SourceReader {
    /// Starts at the first row.
    pub(super) fn new(source: Arc<OpenSource>, settings: Arc<ReadSettings>) -> Self {
        Self { source, settings, next_part: 0, rows: None }
    }
}

impl Iterator for SourceReader {
    type Item = Result<Item, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.rows.as_mut().and_then(Iterator::next) {
                return Some(item);
            }
            let part = self.source.parts.get(self.next_part)?;
            self.next_part += 1;
            match open(&self.source.name, part, &self.settings) {
                Ok(rows) => self.rows = Some(rows),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

fn open(
    source: &Arc<str>,
    part: &Part,
    settings: &Arc<ReadSettings>,
) -> Result<PartRows, SourceError> {
    let place = |path: &std::path::Path| Place {
        source: Arc::clone(source),
        file: settings.shown(path),
        path: path.to_owned(),
        settings: Arc::clone(settings),
    };
    match part {
        Part::Lines(path) => json_rows::read_lines(place(path)),
        Part::Json(path) => json_rows::read_document(place(path)),
        Part::Parquet(path) => parquet_rows::read(place(path)),
        Part::Rust(files) => Ok(rust_files::read(source, Arc::clone(files), settings)),
    }
}

/// A file that rows are read from.
pub(super) struct Place {
    pub(super) source: Arc<str>,
    pub(super) file: Arc<str>,
    pub(super) path: std::path::PathBuf,
    pub(super) settings: Arc<ReadSettings>,
}

impl Place {
    pub(super) fn origin(&self, row: u64) -> Origin {
        Origin { source: Arc::clone(&self.source), file: Arc::clone(&self.file), row }
    }

    /// Makes a row of fields; `first` says that no row of this file has been read before.
    pub(super) fn fit(
        &self,
        fields: &mut serde_json::Map<String, serde_json::Value>,
        row: u64,
        first: bool,
    ) -> Item {
        match self.settings.columns.fit(fields, self.origin(row)) {
            Ok(fitted) => Item::Row(Box::new(fitted)),
            Err(misfit) => {
                let fatal = first && matches!(misfit, Misfit::NoColumns(_));
                let raw = serde_json::to_string(fields).expect("fields are plain JSON");
                self.bad(row, self.misfit(row, misfit), raw.as_bytes(), fatal)
            }
        }
    }

    /// Makes a bad row.
    pub(super) fn bad(&self, row: u64, error: SourceError, raw: &[u8], fatal: bool) -> Item {
        let raw = String::from_utf8_lossy(&raw[..raw.len().min(RAW_BYTES)]).into_owned();
        Item::Bad(Box::new(BadRow { origin: self.origin(row), error, raw, fatal }))
    }

    fn misfit(&self, row: u64, misfit: Misfit) -> SourceError {
        let path = self.path.clone();
        match misfit {
            Misfit::NoColumns(found) => SourceError::NoColumns { path, row, found },
            Misfit::BadField { field, problem } => {
                SourceError::BadField { path, row, field, problem }
            }
        }
    }
}
