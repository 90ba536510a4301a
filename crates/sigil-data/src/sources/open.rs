//! From the name of a source to the files that it consists of.
//!
//! Is: the look at the disk: existence, kinds of files, globs, folders, lock files. Is not: reading
//! (`reader.rs`). Next: `spec.rs` for names, `reader.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::rust_files::{self, SourceFile};
use super::{ReadSettings, SourceError, SourceSpec, expand, registry};

/// A source whose files are known.
#[derive(Debug)]
pub struct OpenSource {
    /// The source as the config names it.
    pub(crate) name: Arc<str>,
    /// Its parts in order.
    pub(super) parts: Vec<Part>,
    /// Sentences for the user.
    pub(crate) notes: Vec<String>,
}

/// Files that are read by one reader.
#[derive(Debug)]
pub(super) enum Part {
    /// JSON Lines.
    Lines(PathBuf),
    /// A JSON array of objects.
    Json(PathBuf),
    /// Parquet.
    Parquet(PathBuf),
    /// Source files, one row each.
    Rust(Arc<Vec<SourceFile>>),
}

impl OpenSource {
    /// Finds the files of a source.
    ///
    /// # Errors
    /// A source that does not exist, or holds nothing of a known kind.
    pub fn open(spec: &SourceSpec, settings: &ReadSettings) -> Result<Self, SourceError> {
        let mut open =
            Self { name: Arc::from(spec.to_string()), parts: Vec::new(), notes: Vec::new() };
        match spec {
            SourceSpec::Jsonl(path) => open.parts.push(Part::Lines(open.existing(path, settings)?)),
            SourceSpec::Parquet(path) => open.add_parquet(&open.existing(path, settings)?)?,
            SourceSpec::Registry(lock) => {
                let lock = open.existing(lock, settings)?;
                let found = registry::find(&lock, &open.name, settings)?;
                open.notes.extend(found.notes);
                open.parts.push(Part::Rust(Arc::new(found.files)));
            }
            SourceSpec::Path(pattern) => open.add_path(pattern, settings)?,
        }
        Ok(open)
    }

    /// Takes files that were fetched from elsewhere, under the name of their source.
    ///
    /// # Errors
    /// A file of an unknown kind.
    pub fn of_files(name: &str, files: &[PathBuf]) -> Result<Self, SourceError> {
        let mut open = Self { name: Arc::from(name), parts: Vec::new(), notes: Vec::new() };
        open.add_tables(files)?;
        Ok(open)
    }

    /// Returns the source as the config names it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns every file with its size in bytes and the time of its last change, for cache keys.
    pub fn fingerprint(&self) -> Vec<(PathBuf, u64, u128)> {
        let mut files: Vec<PathBuf> = Vec::new();
        for part in &self.parts {
            match part {
                Part::Lines(path) | Part::Json(path) | Part::Parquet(path) => {
                    files.push(path.clone());
                }
                Part::Rust(some) => files.extend(some.iter().map(|file| file.path.clone())),
            }
        }
        let described = |path: PathBuf| {
            let data = std::fs::metadata(&path).ok();
            let length = data.as_ref().map_or(0, std::fs::Metadata::len);
            let changed = data.and_then(|data| data.modified().ok());
            let changed = changed.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
            (path, length, changed.map_or(0, |time| time.as_nanos()))
        };
        files.into_iter().map(described).collect()
    }

    fn existing(&self, path: &Path, settings: &ReadSettings) -> Result<PathBuf, SourceError> {
        let full = settings.base_folder.join(path);
        if full.exists() {
            Ok(full)
        } else {
            Err(SourceError::NotFound { spec: self.name.to_string() })
        }
    }

    fn add_path(&mut self, pattern: &str, settings: &ReadSettings) -> Result<(), SourceError> {
        let full = settings.base_folder.join(pattern);
        if full.is_dir() {
            return self.add_folder(&full, settings);
        }
        if full.exists() {
            return self.add_files(std::slice::from_ref(&full), settings);
        }
        let spec = self.name.to_string();
        if !pattern.contains(['*', '?', '[']) {
            return Err(SourceError::NotFound { spec });
        }
        let paths = glob::glob(&full.to_string_lossy()).map_err(|error| {
            SourceError::BadPattern { spec: spec.clone(), reason: error.to_string() }
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
        self.add_files(&files, settings)
    }

    fn add_folder(&mut self, folder: &Path, settings: &ReadSettings) -> Result<(), SourceError> {
        let walk = rust_files::walk(folder)?;
        let rust: Vec<PathBuf> = walk.files.iter().filter(|path| is_rust(path)).cloned().collect();
        self.notes.extend(walk.note(&self.name));
        if !rust.is_empty() {
            let files = rust_files::describe(folder, &rust, settings);
            self.parts.push(Part::Rust(Arc::new(files)));
            return Ok(());
        }
        let tables: Vec<PathBuf> =
            walk.files.iter().filter(|path| is_table(path)).cloned().collect();
        if tables.is_empty() {
            return Err(self.nothing_readable(kinds_of(&walk.files)));
        }
        self.add_tables(&tables)
    }

    fn add_files(&mut self, files: &[PathBuf], settings: &ReadSettings) -> Result<(), SourceError> {
        let (rust, others): (Vec<PathBuf>, Vec<PathBuf>) =
            files.iter().cloned().partition(|path| is_rust(path));
        if !rust.is_empty() {
            let files = rust_files::describe(&settings.base_folder, &rust, settings);
            self.parts.push(Part::Rust(Arc::new(files)));
        }
        self.add_tables(&others)
    }

    fn add_tables(&mut self, files: &[PathBuf]) -> Result<(), SourceError> {
        for path in files {
            self.parts.push(match expand::inner_suffix(path).as_str() {
                "jsonl" | "ndjson" => Part::Lines(path.clone()),
                "json" => Part::Json(path.clone()),
                "parquet" => Part::Parquet(path.clone()),
                _ => return Err(self.nothing_readable(kinds_of(std::slice::from_ref(path)))),
            });
        }
        Ok(())
    }

    fn add_parquet(&mut self, path: &Path) -> Result<(), SourceError> {
        if !path.is_dir() {
            self.parts.push(Part::Parquet(path.to_owned()));
            return Ok(());
        }
        let mut files = rust_files::walk(path)?.files;
        files.retain(|file| expand::inner_suffix(file) == "parquet");
        if files.is_empty() {
            return Err(self.nothing_readable("no .parquet file".to_owned()));
        }
        self.parts.extend(files.into_iter().map(Part::Parquet));
        Ok(())
    }

    fn nothing_readable(&self, found: String) -> SourceError {
        SourceError::NothingReadable { spec: self.name.to_string(), found }
    }
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
