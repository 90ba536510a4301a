//! Rows from the crates of a `Cargo.lock`, as cargo unpacked them on this machine.
//!
//! Is: exactly the crates that the lock file names (name, version and registry), sorted, and the
//! list of those that are not there. Is not: a download. Next: `rust_files.rs`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::ReadSettings;
use super::SourceError;
use super::rust_files::{self, SourceFile};

/// Missing crates named in the note; the others are counted.
const MISSING_NAMED: usize = 8;

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<Locked>,
}

/// One package of a lock file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) struct Locked {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
}

/// What the crates of a lock file consist of.
pub(super) struct Found {
    pub(super) files: Vec<SourceFile>,
    pub(super) notes: Vec<String>,
}

/// Finds the `.rs` files of the crates that `lock` takes from a registry.
pub(super) fn find(
    lock: &Path,
    source: &str,
    settings: &ReadSettings,
) -> Result<Found, SourceError> {
    let cargo_home = settings
        .cargo_home
        .as_deref()
        .ok_or_else(|| SourceError::NoCargoHome { spec: source.to_owned() })?;
    let text = fs::read_to_string(lock)
        .map_err(|source| SourceError::Io { path: lock.to_owned(), source })?;
    let crates =
        parse(&text).map_err(|reason| SourceError::BadLock { path: lock.to_owned(), reason })?;
    let registry = cargo_home.join("registry");
    let folders = subfolders(&registry.join("src"));
    let mut files = Vec::new();
    let mut missing = Vec::new();
    let mut links = 0;
    for package in &crates {
        let label = format!("{}-{}", package.name, package.version);
        let Some(folder) = unpacked(package, &label, &registry, &folders) else {
            missing.push(label);
            continue;
        };
        let walk = rust_files::walk(&folder)?;
        links += usize::from(walk.note("").is_some());
        let group: Arc<str> = Arc::from(package.name.as_str());
        let licence = rust_files::licence_of(&folder.join("Cargo.toml"));
        for path in walk.files {
            if path.extension().is_none_or(|suffix| suffix != "rs") {
                continue;
            }
            let rules_path = rust_files::slashed(path.strip_prefix(&folder).unwrap_or(&path));
            files.push(SourceFile {
                shown: Arc::from(format!("{label}/{rules_path}")),
                rules_path,
                path,
                group: Arc::clone(&group),
                licence: licence.clone(),
            });
        }
    }
    if missing.len() == crates.len() {
        return Err(SourceError::NoCrates {
            lock: lock.to_owned(),
            wanted: crates.len(),
            registry: registry.join("src"),
        });
    }
    Ok(Found { files, notes: notes(source, &missing, crates.len(), links) })
}

fn notes(source: &str, missing: &[String], wanted: usize, links: usize) -> Vec<String> {
    let mut notes = Vec::new();
    if !missing.is_empty() {
        let named = missing.iter().take(MISSING_NAMED).cloned().collect::<Vec<_>>().join(", ");
        let more = missing.len().saturating_sub(MISSING_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        notes.push(format!(
            "`{source}`: {} of {wanted} crates are not on this machine: {named}{more}",
            missing.len()
        ));
    }
    if links > 0 {
        notes.push(format!(
            "`{source}`: {links} crates have links, hidden folders or build output that was not entered"
        ));
    }
    notes
}

/// Returns the packages that come from a registry, sorted by name and version.
fn parse(text: &str) -> Result<Vec<Locked>, String> {
    let lock: Lock = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    let mut crates = lock.package;
    crates.retain(|package| {
        package.source.as_deref().is_some_and(|source| host_of(source).is_some())
    });
    let name_safe = |name: &str| {
        !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || ['-', '_', '.', '+'].contains(&c))
    };
    // The two become a path, so nothing that could leave the registry's folder is let in.
    if let Some(package) =
        crates.iter().find(|package| !name_safe(&package.name) || !name_safe(&package.version))
    {
        return Err(format!("`{}` `{}` is not a package", package.name, package.version));
    }
    crates.sort_unstable();
    crates.dedup();
    Ok(crates)
}

/// Returns the host that names the registry's folder; `None` for git and path packages.
fn host_of(source: &str) -> Option<&str> {
    let url = source.strip_prefix("registry+").or(source.strip_prefix("sparse+"))?;
    if url == "https://github.com/rust-lang/crates.io-index" {
        return Some("index.crates.io");
    }
    let (_, rest) = url.split_once("://")?;
    rest.split(['/', ':']).next().filter(|host| !host.is_empty())
}

/// Finds the unpacked crate: in a folder of its own registry, or in that of a mirror whose package
/// has the checksum that the lock file demands.
fn unpacked(
    package: &Locked,
    label: &str,
    registry: &Path,
    folders: &BTreeMap<String, PathBuf>,
) -> Option<PathBuf> {
    let host = host_of(package.source.as_deref()?)?;
    let own = |name: &str| {
        name.rsplit_once('-').is_some_and(|(name_host, _)| {
            name_host == host || (host == "index.crates.io" && name_host == "github.com")
        })
    };
    let inside = |folder: &PathBuf| Some(folder.join(label)).filter(|path| path.is_dir());
    let from_own = folders.iter().filter(|(name, _)| own(name));
    if let Some(found) = from_own.filter_map(|(_, folder)| inside(folder)).next() {
        return Some(found);
    }
    folders.iter().filter(|(name, _)| !own(name)).find_map(|(name, folder)| {
        let archive = registry.join("cache").join(name).join(format!("{label}.crate"));
        let found = inside(folder)?;
        (sha256_of(&archive)? == package.checksum.as_deref()?).then_some(found)
    })
}

fn sha256_of(path: &Path) -> Option<String> {
    let digest = Sha256::digest(fs::read(path).ok()?);
    Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn subfolders(folder: &Path) -> BTreeMap<String, PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.path().is_dir())
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
        .collect()
}
