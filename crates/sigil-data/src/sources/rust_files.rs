//! Rows from `.rs` files on disk.
//!
//! Is: a sorted walk that follows no link, parallel reading, and the crate that each file belongs
//! to. Is not: a judgement of the code. Next: `registry.rs`, which reads crates through this.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use serde::Deserialize;

use super::ReadSettings;
use super::SourceError;
use super::columns::Fitted;
use super::reader::{Item, PartRows};
use crate::ledger::Reason;
use crate::rows::{Origin, Row};

/// Files read together, so that memory holds few files that will be dropped.
const FILES_AT_ONCE: usize = 256;

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Files in the order of their paths.
    pub(super) files: Vec<PathBuf>,
    skipped_folders: usize,
    links: usize,
}

impl Walk {
    /// Says what was passed over, if anything was.
    pub(super) fn note(&self, source: &str) -> Option<String> {
        (self.skipped_folders + self.links > 0).then(|| {
            format!(
                "`{source}`: {} folders (target, node_modules, hidden) and {} links were not entered",
                self.skipped_folders, self.links
            )
        })
    }
}

/// Lists all files below `folder`, sorted; links and folders of build output are passed over.
pub(super) fn walk(folder: &Path) -> Result<Walk, SourceError> {
    let mut walk = Walk::default();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        let failed = |source| SourceError::Io { path: folder.clone(), source };
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if kind.is_symlink() {
                walk.links += 1;
            } else if kind.is_file() {
                walk.files.push(entry.path());
            } else if kind.is_dir() {
                if name.starts_with('.') || name == "target" || name == "node_modules" {
                    walk.skipped_folders += 1;
                } else {
                    waiting.push(entry.path());
                }
            }
        }
    }
    walk.files.sort_unstable();
    Ok(walk)
}

/// Finds out the crate that each file lies in.
pub(super) fn describe(root: &Path, files: &[PathBuf], settings: &ReadSettings) -> Vec<SourceFile> {
    let mut crates = CrateNames { root, known: BTreeMap::new() };
    let describe = |path: &PathBuf| {
        let relative = slashed(path.strip_prefix(root).unwrap_or(path));
        let (group, licence) = crates.crate_of(path, &relative);
        SourceFile {
            group,
            licence,
            shown: settings.shown(path),
            rules_path: relative,
            path: path.clone(),
        }
    };
    files.iter().map(describe).collect()
}

/// One file to read.
#[derive(Debug)]
pub(super) struct SourceFile {
    pub(super) path: PathBuf,
    /// Path for the path rules: relative to the crate or root.
    pub(super) rules_path: String,
    /// Name in messages.
    pub(super) shown: Arc<str>,
    pub(super) group: Arc<str>,
    /// The licence that its crate names.
    pub(super) licence: Option<Arc<str>>,
}

/// What reading one file gave.
enum Read {
    Text(String),
    NotUtf8,
    TooLong,
}

/// Reads the files, some at a time on all cores, and gives their rows in order.
pub(super) fn read(
    source: &Arc<str>,
    files: Arc<Vec<SourceFile>>,
    settings: &Arc<ReadSettings>,
) -> PartRows {
    let (source, settings) = (Arc::clone(source), Arc::clone(settings));
    let starts = (0..files.len()).step_by(FILES_AT_ONCE);
    Box::new(starts.flat_map(move |start| {
        let some = &files[start..files.len().min(start + FILES_AT_ONCE)];
        let item =
            |file: &SourceFile| Ok(item(file, &source, &settings, read_one(file, &settings)?));
        some.par_iter().map(item).collect::<Vec<Result<Item, SourceError>>>()
    }))
}

fn item(file: &SourceFile, source: &Arc<str>, settings: &ReadSettings, content: Read) -> Item {
    let origin = Origin { source: Arc::clone(source), file: Arc::clone(&file.shown), row: 0 };
    // The path alone may drop a file, so that its text need not be kept until it is judged.
    match (settings.paths.reject(&file.rules_path), content) {
        (Some(reason), _) => Item::Dropped(origin, reason),
        (None, Read::Text(text)) => Item::Row(Box::new(Fitted {
            row: Row::plain(text, origin, Arc::clone(&file.group)),
            path: Some(file.rules_path.clone()),
            licences: file.licence.iter().map(ToString::to_string).collect(),
        })),
        (None, Read::NotUtf8) => Item::Dropped(origin, Reason::NotUtf8),
        (None, Read::TooLong) => Item::Dropped(origin, Reason::TooLong),
    }
}

fn read_one(file: &SourceFile, settings: &ReadSettings) -> Result<Read, SourceError> {
    let path = &file.path;
    let max_chars = settings.max_chars as u64;
    let failed = |source| SourceError::Io { path: path.clone(), source };
    // A character has at most four bytes, so this file is too long whatever is in it.
    if fs::metadata(path).map_err(failed)?.len() / 4 > max_chars {
        return Ok(Read::TooLong);
    }
    let bytes = fs::read(path).map_err(failed)?;
    let Ok(mut text) = String::from_utf8(bytes) else { return Ok(Read::NotUtf8) };
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(Read::Text(text))
}

/// Finds the crate of a file by the nearest `Cargo.toml` above it.
struct CrateNames<'a> {
    root: &'a Path,
    known: BTreeMap<PathBuf, Option<CrateFacts>>,
}

/// What a manifest says of its crate.
#[derive(Clone)]
struct CrateFacts {
    name: Arc<str>,
    licence: Option<Arc<str>>,
}

impl CrateNames<'_> {
    /// Returns the crate's name and licence; without a crate the first folder below the root, or the
    /// file.
    fn crate_of(&mut self, path: &Path, relative: &str) -> (Arc<str>, Option<Arc<str>>) {
        let mut folder = path.parent();
        while let Some(inside) = folder.filter(|folder| folder.starts_with(self.root)) {
            let known = self.known.entry(inside.to_owned());
            if let Some(facts) = known.or_insert_with(|| facts_of(&inside.join("Cargo.toml"))) {
                return (Arc::clone(&facts.name), facts.licence.clone());
            }
            folder = inside.parent();
        }
        (Arc::from(relative.split_once('/').map_or(relative, |(first, _)| first)), None)
    }
}

#[derive(Deserialize)]
struct Manifest {
    package: Option<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    /// Text, or a table where a workspace has it.
    license: Option<toml::Value>,
}

fn facts_of(manifest: &Path) -> Option<CrateFacts> {
    let manifest: Manifest = toml::from_str(&fs::read_to_string(manifest).ok()?).ok()?;
    let package = manifest.package?;
    let licence = package.license.as_ref().and_then(toml::Value::as_str).map(Arc::from);
    Some(CrateFacts { name: Arc::from(package.name), licence })
}

/// Returns the licence that a crate's manifest names.
pub(super) fn licence_of(manifest: &Path) -> Option<Arc<str>> {
    facts_of(manifest)?.licence
}

pub(super) fn slashed(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}
