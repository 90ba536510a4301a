//! From source names to rows.
//!
//! Is: the dispatch by kind of file, the limits that apply to every source, and the counting. Is
//! not: a format (`json_rows.rs`, `parquet_rows.rs`, `rust_files.rs`, `registry.rs`). Next: those.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::columns::{ColumnNames, Fitted, Misfit};
use super::{PathRules, SourceError, SourceSpec};
use super::{expand, json_rows, parquet_rows, registry, rust_files};
use crate::ledger::{Ledger, Reason, Stage};
use crate::rows::Row;

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
    /// Most bytes that a compressed file may expand to.
    pub expansion_cap_bytes: u64,
    /// Factor of a row's weight by its `_task_type`.
    pub task_weights: BTreeMap<String, f32>,
}

impl ReadSettings {
    /// Returns the defaults: any length from 1 to 200,000 characters, every path, 64 GiB.
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
        }
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
    for spec in specs {
        let source = Arc::from(spec.to_string());
        let mut intake = Intake { source, settings, ledger: &mut *ledger, rows: &mut rows };
        match spec {
            SourceSpec::Jsonl(path) => json_rows::read_lines(&intake.existing(path)?, &mut intake)?,
            SourceSpec::Parquet(path) => read_parquet(&intake.existing(path)?, &mut intake)?,
            SourceSpec::Registry(lock) => registry::read(&intake.existing(lock)?, &mut intake)?,
            SourceSpec::Path(pattern) => read_path(pattern, &mut intake)?,
        }
    }
    Ok(rows)
}

/// Takes what the formats read, applies the limits, and counts.
pub(super) struct Intake<'a> {
    pub(super) source: Arc<str>,
    pub(super) settings: &'a ReadSettings,
    pub(super) ledger: &'a mut Ledger,
    rows: &'a mut Vec<Row>,
}

impl Intake<'_> {
    /// Counts a row and keeps it if it passes.
    pub(super) fn take(&mut self, fitted: Fitted) {
        let Fitted { mut row, path } = fitted;
        if let Some(task) = &row.task_type {
            row.weight *= self.settings.task_weights.get(task.as_ref()).copied().unwrap_or(1.0);
        }
        match self.reject(&row, path.as_deref()) {
            Some(reason) => self.ledger.drop_row(Stage::Read, reason, &row.origin),
            None => {
                self.ledger.keep(Stage::Read);
                self.rows.push(row);
            }
        }
    }

    fn reject(&self, row: &Row, path: Option<&str>) -> Option<Reason> {
        if let Some(reason) = path.and_then(|path| self.settings.paths.reject(path)) {
            return Some(reason);
        }
        // Written so that a weight that is not a number is dropped as well.
        if !(row.weight > 0.0 && row.weight.is_finite()) {
            return Some(Reason::ZeroWeight);
        }
        if row.text.trim().is_empty() {
            return Some(Reason::Empty);
        }
        let chars = row.text.chars().count();
        if chars < self.settings.min_chars {
            Some(Reason::TooShort)
        } else if chars > self.settings.max_chars {
            Some(Reason::TooLong)
        } else {
            None
        }
    }

    /// Names the file of an error or origin: relative to the base folder where it lies inside.
    pub(super) fn shown(&self, path: &Path) -> Arc<str> {
        let shown = path.strip_prefix(&self.settings.base_folder).unwrap_or(path);
        Arc::from(shown.to_string_lossy().replace('\\', "/"))
    }

    fn existing(&self, path: &Path) -> Result<PathBuf, SourceError> {
        let full = self.settings.base_folder.join(path);
        if full.exists() {
            Ok(full)
        } else {
            Err(SourceError::NotFound { spec: self.source.to_string() })
        }
    }
}

/// Turns a misfit into the error of a file and row.
pub(super) fn misfit(path: &Path, row: u64, misfit: Misfit) -> SourceError {
    let path = path.to_owned();
    match misfit {
        Misfit::NoColumns(found) => SourceError::NoColumns { path, row, found },
        Misfit::BadField { field, problem } => SourceError::BadField { path, row, field, problem },
    }
}

fn read_path(pattern: &str, intake: &mut Intake<'_>) -> Result<(), SourceError> {
    let full = intake.settings.base_folder.join(pattern);
    if full.is_dir() {
        return read_folder(&full, intake);
    }
    if full.exists() {
        return read_files(std::slice::from_ref(&full), intake);
    }
    let spec = intake.source.to_string();
    if !pattern.contains(['*', '?', '[']) {
        return Err(SourceError::NotFound { spec });
    }
    let paths = glob::glob(&full.to_string_lossy()).map_err(|error| SourceError::BadPattern {
        spec: spec.clone(),
        reason: error.to_string(),
    })?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|error| SourceError::Io {
            path: error.path().to_owned(),
            source: error.into(),
        })?;
        if path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(SourceError::NotFound { spec });
    }
    read_files(&files, intake)
}

fn read_folder(folder: &Path, intake: &mut Intake<'_>) -> Result<(), SourceError> {
    let walk = rust_files::walk(folder)?;
    let rust: Vec<PathBuf> = walk.files.iter().filter(|path| is_rust(path)).cloned().collect();
    if let Some(note) = walk.note(&intake.source) {
        intake.ledger.note(note);
    }
    if !rust.is_empty() {
        return rust_files::read(folder, &rust, intake);
    }
    let tables: Vec<PathBuf> = walk.files.iter().filter(|path| is_table(path)).cloned().collect();
    if tables.is_empty() {
        return Err(SourceError::NothingReadable {
            spec: intake.source.to_string(),
            found: kinds_of(&walk.files),
        });
    }
    read_files(&tables, intake)
}

fn read_files(files: &[PathBuf], intake: &mut Intake<'_>) -> Result<(), SourceError> {
    let (rust, others): (Vec<PathBuf>, Vec<PathBuf>) =
        files.iter().cloned().partition(|path| is_rust(path));
    if !rust.is_empty() {
        let base = intake.settings.base_folder.clone();
        rust_files::read(&base, &rust, intake)?;
    }
    for path in &others {
        match expand::inner_suffix(path).as_str() {
            "jsonl" | "ndjson" => json_rows::read_lines(path, intake)?,
            "json" => json_rows::read_document(path, intake)?,
            "parquet" => parquet_rows::read(path, intake)?,
            _ => {
                return Err(SourceError::NothingReadable {
                    spec: intake.source.to_string(),
                    found: kinds_of(std::slice::from_ref(path)),
                });
            }
        }
    }
    Ok(())
}

fn read_parquet(path: &Path, intake: &mut Intake<'_>) -> Result<(), SourceError> {
    if !path.is_dir() {
        return parquet_rows::read(path, intake);
    }
    let mut files = rust_files::walk(path)?.files;
    files.retain(|file| expand::inner_suffix(file) == "parquet");
    if files.is_empty() {
        return Err(SourceError::NothingReadable {
            spec: intake.source.to_string(),
            found: "no .parquet file".to_owned(),
        });
    }
    files.iter().try_for_each(|file| parquet_rows::read(file, intake))
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|suffix| suffix == "rs")
}

fn is_table(path: &Path) -> bool {
    matches!(expand::inner_suffix(path).as_str(), "jsonl" | "ndjson" | "json" | "parquet")
}

fn kinds_of(files: &[PathBuf]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for file in files {
        let suffix = file
            .extension()
            .map_or("no suffix".into(), |suffix| format!(".{}", suffix.to_string_lossy()));
        *counts.entry(suffix).or_default() += 1;
    }
    let shown: Vec<String> =
        counts.iter().map(|(suffix, count)| format!("{count} {suffix}")).take(12).collect();
    if shown.is_empty() { "no file".to_owned() } else { shown.join(", ") }
}
