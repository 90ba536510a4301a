//! Kept rows on disk.
//!
//! Is: one folder for each digest of files, rules and code version, with parquet shards, the
//! evaluation rows, the account, and a manifest that is written last and names every file with its
//! hash; listing, verifying and pruning of such folders. Is not: atomic file placing, which the
//! caller gives as a function. Next: `shard.rs` for the bytes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{HeldOutRows, KeptRows, PipelineError, RowPlan, collect_held_out, shard};
use crate::Digest;
use crate::ledger::Ledger;
use crate::rows::Row;

/// Rows in a shard.
const SHARD_ROWS: usize = 20_000;
const MANIFEST: &str = "manifest.json";
const FORMAT_VERSION: u32 = 1;

/// Puts bytes at a path so that the file is whole or absent after a crash.
pub type PlaceFile<'a> = dyn Fn(&Path, &[u8]) -> io::Result<()> + 'a;

/// Says where rows are kept and how files are placed there.
pub struct RowCache<'a> {
    /// Folder of all entries; made if absent.
    pub folder: PathBuf,
    /// Writes one file.
    pub place_file: &'a PlaceFile<'a>,
}

/// Rows that came from the cache or were put there.
#[derive(Debug)]
pub struct CachedRows {
    /// Rows to train on.
    pub kept: KeptRows,
    /// Rows that are kept for evaluation.
    pub held_out: HeldOutRows,
    /// The account of the reading that made them.
    pub ledger: Ledger,
    /// Whether they were read from the cache.
    pub reused: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format_version: u32,
    key: Digest,
    sources: Vec<String>,
    rows: u64,
    held_out_rows: u64,
    looked_at: u64,
    groups: Vec<String>,
    files: Vec<ManifestFile>,
    ledger: Ledger,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestFile {
    name: String,
    bytes: u64,
    blake3: Digest,
}

impl RowCache<'_> {
    /// Returns the rows of a plan, from the cache where it has them; otherwise they are read and
    /// put there. A cache that cannot be written is a note in the ledger, not a failure.
    ///
    /// # Errors
    /// Those of reading; a damaged entry is read anew and said so in the ledger.
    pub fn rows(&self, plan: &mut RowPlan) -> Result<CachedRows, PipelineError> {
        let key = plan.digest();
        let folder = self.folder.join(key.to_string());
        let damage = match load(&folder, key) {
            Ok(Some((found, groups))) => {
                plan.hold_out.groups.extend(groups);
                return Ok(found);
            }
            Ok(None) => None,
            Err(reason) => Some(reason),
        };
        let mut ledger = Ledger::new();
        let held_out = collect_held_out(plan, None)?;
        let shared = Arc::new(plan.clone());
        let kept = KeptRows::read(&shared, &held_out.rows, &mut ledger)?;
        let written = self.write(&folder, key, plan, &kept, &held_out, &ledger);
        if let Some(reason) = damage {
            ledger.note(format!("row cache `{}` was made anew: {reason}", folder.display()));
        }
        if let Err(reason) = written {
            ledger.note(format!("row cache `{}` was not written: {reason}", folder.display()));
        }
        Ok(CachedRows { kept, held_out, ledger, reused: false })
    }

    fn write(
        &self,
        folder: &Path,
        key: Digest,
        plan: &RowPlan,
        kept: &KeptRows,
        held_out: &HeldOutRows,
        ledger: &Ledger,
    ) -> Result<(), String> {
        fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        let mut files = Vec::new();
        let mut place = |name: String, bytes: Vec<u8>| -> Result<(), String> {
            (self.place_file)(&folder.join(&name), &bytes).map_err(|error| error.to_string())?;
            files.push(ManifestFile {
                name,
                bytes: bytes.len() as u64,
                blake3: Digest::of(&bytes),
            });
            Ok(())
        };
        for (number, rows) in kept.rows.chunks(SHARD_ROWS).enumerate() {
            place(format!("rows-{number:05}.parquet"), shard::encode(rows)?)?;
        }
        if let Some(order) = &kept.order {
            place("order.parquet".to_owned(), shard::encode_order(order)?)?;
        }
        place("held_out.parquet".to_owned(), shard::encode(&held_out.rows)?)?;
        let manifest = Manifest {
            format_version: FORMAT_VERSION,
            key,
            sources: plan.sources.iter().map(|source| source.name().to_owned()).collect(),
            rows: kept.rows.len() as u64,
            held_out_rows: held_out.rows.len() as u64,
            looked_at: held_out.looked_at,
            groups: plan.hold_out.groups.iter().cloned().collect(),
            files,
            ledger: ledger.clone(),
        };
        let bytes = serde_json::to_vec_pretty(&manifest).map_err(|error| error.to_string())?;
        (self.place_file)(&folder.join(MANIFEST), &bytes).map_err(|error| error.to_string())
    }
}

/// Reads an entry; `None` if there is none.
fn load(folder: &Path, key: Digest) -> Result<Option<(CachedRows, Vec<String>)>, String> {
    let Some(manifest) = manifest(folder)? else { return Ok(None) };
    if manifest.key != key {
        return Err("its manifest belongs to other rows".to_owned());
    }
    let mut kept = KeptRows::default();
    let mut held_out = HeldOutRows { rows: Vec::new(), looked_at: manifest.looked_at };
    let mut order = None;
    for file in &manifest.files {
        let bytes = checked(folder, file)?;
        let wrong = |reason: String| format!("`{}`: {reason}", file.name);
        match file.name.as_str() {
            "order.parquet" => order = Some(bytes),
            "held_out.parquet" => held_out.rows = shard::decode(bytes).map_err(wrong)?,
            _ => kept.rows.extend::<Vec<Row>>(shard::decode(bytes).map_err(wrong)?),
        }
    }
    if kept.rows.len() as u64 != manifest.rows
        || held_out.rows.len() as u64 != manifest.held_out_rows
    {
        return Err("the number of rows is not that of the manifest".to_owned());
    }
    kept.order = order.map(|bytes| shard::decode_order(bytes, kept.rows.len())).transpose()?;
    let found = CachedRows { kept, held_out, ledger: manifest.ledger, reused: true };
    Ok(Some((found, manifest.groups)))
}

fn manifest(folder: &Path) -> Result<Option<Manifest>, String> {
    let bytes = match fs::read(folder.join(MANIFEST)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let plain = |name: &str| !name.contains(['/', '\\']) && !name.starts_with('.');
    if manifest.format_version != FORMAT_VERSION {
        return Err(format!("it has format {}", manifest.format_version));
    }
    match manifest.files.iter().find(|file| !plain(&file.name)) {
        Some(file) => Err(format!("`{}` is no name of a shard", file.name)),
        None => Ok(Some(manifest)),
    }
}

fn checked(folder: &Path, file: &ManifestFile) -> Result<Vec<u8>, String> {
    let bytes =
        fs::read(folder.join(&file.name)).map_err(|error| format!("`{}`: {error}", file.name))?;
    if Digest::of(&bytes) == file.blake3 {
        Ok(bytes)
    } else {
        Err(format!("`{}` does not match its hash", file.name))
    }
}

/// Describes one entry of the cache.
#[derive(Debug, Clone, Serialize)]
pub struct CacheEntry {
    /// Name of its folder: the digest of files, rules and code version.
    pub key: String,
    /// Sources of the rows; empty if the entry is damaged.
    pub sources: Vec<String>,
    /// Rows to train on.
    pub rows: u64,
    /// Size on disk.
    pub bytes: u64,
    /// Why it cannot be used, if it cannot.
    pub damage: Option<String>,
    #[serde(skip)]
    changed: Option<SystemTime>,
}

/// Lists the entries of a cache by name; a folder that is not there has none.
///
/// # Errors
/// A folder that cannot be read.
pub fn list_caches(folder: &Path) -> Result<Vec<CacheEntry>, PipelineError> {
    let failed = |error: io::Error| PipelineError::Cache {
        path: folder.to_owned(),
        reason: error.to_string(),
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let key = entry.file_name().to_string_lossy().into_owned();
        // Other things may lie here, and are left alone.
        if key.parse::<Digest>().is_ok() && entry.path().is_dir() {
            found.push(describe(&entry.path(), key));
        }
    }
    found.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(found)
}

fn describe(folder: &Path, key: String) -> CacheEntry {
    let sizes = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = sizes.filter_map(|file| Some(file.metadata().ok()?.len())).sum();
    let changed = fs::metadata(folder.join(MANIFEST)).and_then(|data| data.modified()).ok();
    let (sources, rows, damage) = match manifest(folder) {
        Ok(Some(manifest)) => (manifest.sources, manifest.rows, None),
        Ok(None) => (Vec::new(), 0, Some("it was not finished".to_owned())),
        Err(reason) => (Vec::new(), 0, Some(reason)),
    };
    CacheEntry { key, sources, rows, bytes, damage, changed }
}

/// Reads every file of an entry and says what is wrong with it, if anything is.
pub fn verify_cache(folder: &Path, key: &str) -> Result<(), String> {
    let folder = folder.join(key);
    let manifest = manifest(&folder)?.ok_or("it was not finished")?;
    manifest.files.iter().try_for_each(|file| checked(&folder, file).map(drop))
}

/// Says what pruning removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PruneReport {
    /// Names of the removed entries.
    pub removed: Vec<String>,
    /// Their size on disk.
    pub bytes: u64,
}

/// Removes damaged entries, then the oldest ones until the others take at most `most_bytes`.
///
/// # Errors
/// A folder that cannot be read or removed.
pub fn prune_caches(folder: &Path, most_bytes: u64) -> Result<PruneReport, PipelineError> {
    let mut entries = list_caches(folder)?;
    // Damaged first, then by age; a name decides between equals.
    entries.sort_by_key(|entry| (entry.damage.is_none(), entry.changed, entry.key.clone()));
    let mut left: u64 = entries.iter().map(|entry| entry.bytes).sum();
    let mut report = PruneReport::default();
    for entry in entries {
        if entry.damage.is_none() && left <= most_bytes {
            break;
        }
        let path = folder.join(&entry.key);
        fs::remove_dir_all(&path)
            .map_err(|error| PipelineError::Cache { path, reason: error.to_string() })?;
        left -= entry.bytes;
        report.bytes += entry.bytes;
        report.removed.push(entry.key);
    }
    Ok(report)
}
