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

use super::SourceError;
use super::columns::Fitted;
use super::read::Intake;
use crate::ledger::{Reason, Stage};
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

/// Takes the files, each as a row of the crate it lies in.
pub(super) fn read(
    root: &Path,
    files: &[PathBuf],
    intake: &mut Intake<'_>,
) -> Result<(), SourceError> {
    let mut crates = CrateNames { root, known: BTreeMap::new() };
    let entries: Vec<SourceFile> = files
        .iter()
        .map(|path| {
            let relative = slashed(path.strip_prefix(root).unwrap_or(path));
            SourceFile {
                group: crates.group_of(path, &relative),
                shown: intake.shown(path),
                rules_path: relative,
                path: path.clone(),
            }
        })
        .collect();
    take(&entries, intake)
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
}

/// What reading one file gave.
enum Read {
    Text(String),
    NotUtf8,
    TooLong,
}

/// Reads the files in parallel and takes them in order.
pub(super) fn take(files: &[SourceFile], intake: &mut Intake<'_>) -> Result<(), SourceError> {
    let max_chars = intake.settings.max_chars as u64;
    for some in files.chunks(FILES_AT_ONCE) {
        let contents: Vec<Read> = some
            .par_iter()
            .map(|file| read_one(&file.path, max_chars))
            .collect::<Result<_, _>>()?;
        for (file, content) in some.iter().zip(contents) {
            let origin = Origin { source: intake.source.clone(), file: file.shown.clone(), row: 0 };
            match content {
                Read::Text(text) => intake.take(Fitted {
                    row: Row::plain(text, origin, file.group.clone()),
                    path: Some(file.rules_path.clone()),
                }),
                Read::NotUtf8 => intake.ledger.drop_row(Stage::Read, Reason::NotUtf8, &origin),
                Read::TooLong => intake.ledger.drop_row(Stage::Read, Reason::TooLong, &origin),
            }
        }
    }
    Ok(())
}

fn read_one(path: &Path, max_chars: u64) -> Result<Read, SourceError> {
    let failed = |source| SourceError::Io { path: path.to_owned(), source };
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
    known: BTreeMap<PathBuf, Option<Arc<str>>>,
}

impl CrateNames<'_> {
    /// Returns the crate's name; without a crate the first folder below the root, or the file.
    fn group_of(&mut self, path: &Path, relative: &str) -> Arc<str> {
        let mut folder = path.parent();
        while let Some(inside) = folder.filter(|folder| folder.starts_with(self.root)) {
            let name = self
                .known
                .entry(inside.to_owned())
                .or_insert_with(|| package_name(&inside.join("Cargo.toml")));
            if let Some(name) = name {
                return Arc::clone(name);
            }
            folder = inside.parent();
        }
        Arc::from(relative.split_once('/').map_or(relative, |(first, _)| first))
    }
}

#[derive(Deserialize)]
struct Manifest {
    package: Option<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
}

fn package_name(manifest: &Path) -> Option<Arc<str>> {
    let manifest: Manifest = toml::from_str(&fs::read_to_string(manifest).ok()?).ok()?;
    manifest.package.map(|package| Arc::from(package.name))
}

pub(super) fn slashed(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}
