//! The crates that samples may use: built once per toolchain from a committed manifest and lock file,
//! then only read.
//!
//! Building starts cargo, which no library here does; a program runs the command and hands its messages
//! to [`collect_built`]. Samples bring no manifest, no build script and no macro crate of their own, so
//! nothing of a sample ever runs outside the sandbox. Next: `toolchain.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sigil_sandbox::Tier;

use crate::EvalError;

/// The committed manifest of the set.
pub const CARGO_TOML: &str = include_str!("../../dependencies/manifest.toml");

/// The committed lock file of the set.
pub const CARGO_LOCK: &str = include_str!("../../dependencies/manifest.lock");

/// A crate of the set that samples can name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternCrate {
    /// Its file in the set.
    pub file: String,
    /// The package and its version.
    pub package: String,
}

/// `set.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SetRecord {
    schema: u32,
    /// `rustc -vV` of the compiler that built it.
    rustc: String,
    /// The digest of the lock file.
    lock: String,
    externs: BTreeMap<String, ExternCrate>,
    /// Every file with its digest.
    files: BTreeMap<String, String>,
}

const SCHEMA: u32 = 1;
const RECORD: &str = "set.json";

/// A set of built crates.
#[derive(Clone, Debug)]
pub struct DependencySet {
    folder: PathBuf,
    record: SetRecord,
    fingerprint: String,
}

impl DependencySet {
    /// Opens a set and compares every file with its digest.
    ///
    /// # Errors
    /// If it is not there, not whole, or was built by another compiler than `rustc`, if given.
    pub fn open(folder: &Path, rustc: Option<&str>) -> Result<Self, EvalError> {
        let bad = |problem: String| EvalError::Dependencies { folder: folder.to_owned(), problem };
        let folder = folder.canonicalize().map_err(|error| bad(error.to_string()))?;
        let text = std::fs::read(folder.join(RECORD))
            .map_err(|error| bad(format!("{RECORD}: {error}")))?;
        let record: SetRecord =
            serde_json::from_slice(&text).map_err(|error| bad(format!("{RECORD}: {error}")))?;
        if record.schema != SCHEMA {
            return Err(bad(format!("it has layout {}, not {SCHEMA}", record.schema)));
        }
        if rustc.is_some_and(|rustc| rustc.trim() != record.rustc.trim()) {
            let built = record.rustc.lines().next().unwrap_or_default().to_owned();
            return Err(bad(format!("it was built by {built}, which is not the compiler in use")));
        }
        let named = record.externs.values().map(|known| &known.file);
        for file in record.files.keys().chain(named) {
            if !plain_name(file) || !record.files.contains_key(file) {
                return Err(bad(format!("`{file}` is not a file of it")));
            }
        }
        for (file, digest) in &record.files {
            let bytes = std::fs::read(folder.join(file))
                .map_err(|error| bad(format!("{file}: {error}")))?;
            if blake3::hash(&bytes).to_hex().as_str() != digest {
                return Err(bad(format!("`{file}` is not the file that was built")));
            }
        }
        let fingerprint = blake3::hash(&text).to_hex().to_string();
        Ok(Self { folder, record, fingerprint })
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A digest of everything in it.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The crates that can be named, by name.
    pub fn externs(&self) -> &BTreeMap<String, ExternCrate> {
        &self.record.externs
    }

    /// Where the sandbox has it: the reduced tier cannot move folders.
    pub(crate) fn inside(&self, tier: Tier) -> PathBuf {
        match tier {
            Tier::Full => PathBuf::from("/dependencies"),
            Tier::Reduced => self.folder.clone(),
        }
    }

    /// The `--extern` arguments and the names they give; `instead` maps a name to another entry.
    pub(crate) fn arguments(
        &self,
        tier: Tier,
        instead: &BTreeMap<String, String>,
    ) -> (Vec<String>, Vec<String>) {
        let inside = self.inside(tier);
        let (mut arguments, mut names) = (Vec::new(), Vec::new());
        for (name, own) in &self.record.externs {
            let chosen =
                instead.get(name).and_then(|other| self.record.externs.get(other)).unwrap_or(own);
            arguments.push(format!("--extern={name}={}", inside.join(&chosen.file).display()));
            names.push(name.clone());
        }
        (arguments, names)
    }
}

fn plain_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0'])
}

#[derive(Deserialize)]
struct CargoMessage {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    package_id: String,
    target: Option<CargoTarget>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct CargoTarget {
    name: String,
    kind: Vec<String>,
}

/// Makes a set in the empty folder `into` of what cargo built, as told by the messages of
/// `cargo build --message-format=json`. `direct` maps the names of the manifest's dependencies to their
/// packages (`rand_0_7` to `rand 0.7.3`).
///
/// # Errors
/// If a file cannot be copied or a dependency was not built.
pub fn collect_built(
    messages: &str,
    direct: &BTreeMap<String, String>,
    rustc: &str,
    lock: &str,
    into: &Path,
) -> Result<(), EvalError> {
    let bad = |problem: String| EvalError::Dependencies { folder: into.to_owned(), problem };
    let mut record = SetRecord {
        schema: SCHEMA,
        rustc: rustc.trim().to_owned(),
        lock: blake3::hash(lock.as_bytes()).to_hex().to_string(),
        externs: BTreeMap::new(),
        files: BTreeMap::new(),
    };
    // By package, "name version".
    let mut built: BTreeMap<String, String> = BTreeMap::new();
    for line in messages.lines() {
        let Ok(message) = serde_json::from_str::<CargoMessage>(line) else { continue };
        let Some(target) = message.target.filter(|_| message.reason == "compiler-artifact") else {
            continue;
        };
        let library =
            target.kind.iter().any(|kind| matches!(kind.as_str(), "lib" | "rlib" | "proc-macro"));
        if !library {
            continue;
        }
        for path in &message.filenames {
            let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
            if !matches!(end, "rlib" | "so") {
                continue;
            }
            let name =
                path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            let bytes = std::fs::read(path)
                .map_err(|source| EvalError::Read { path: path.clone(), source })?;
            let place = into.join(&name);
            std::fs::write(&place, &bytes)
                .map_err(|source| EvalError::Write { path: place.clone(), source })?;
            record.files.insert(name.clone(), blake3::hash(&bytes).to_hex().to_string());
            built.insert(package_of(&message.package_id, &target.name), name);
        }
    }
    for (name, package) in direct {
        let file = built
            .get(package)
            .ok_or_else(|| bad(format!("`{package}` was not built, or makes no library")))?;
        record.externs.insert(
            name.replace('-', "_"),
            ExternCrate { file: file.clone(), package: package.clone() },
        );
    }
    let text = serde_json::to_vec_pretty(&record).map_err(|error| bad(error.to_string()))?;
    sigil_run::atomic_write(into.join(RECORD), &text)?;
    Ok(())
}

/// "name version" of a package id such as `registry+https://…#name@1.2.3` or `…/name#1.2.3`.
fn package_of(id: &str, target: &str) -> String {
    let after = id.rsplit('#').next().unwrap_or(id);
    match after.split_once('@') {
        Some((name, version)) => format!("{name} {version}"),
        None => {
            let name =
                id.rsplit('#').nth(1).and_then(|path| path.rsplit('/').next()).unwrap_or(target);
            format!("{name} {after}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_collected_opened_and_mistrusted() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let built = folder.path().join("libabc-1.rlib");
        std::fs::write(&built, b"rlib").expect("a file can be written");
        let messages = format!(
            "{}\nnoise\n",
            serde_json::json!({"reason": "compiler-artifact", "package_id": "registry+https://x#abc@1.2.3",
                "target": {"name": "abc", "kind": ["lib"]}, "filenames": [built]})
        );
        let set = folder.path().join("set");
        std::fs::create_dir(&set).expect("a folder can be made");
        let direct = BTreeMap::from([("abc".to_owned(), "abc 1.2.3".to_owned())]);
        collect_built(&messages, &direct, "rustc 1", "lock", &set).expect("it is collected");
        let opened = DependencySet::open(&set, Some("rustc 1\n")).expect("it is whole");
        let (arguments, names) = opened.arguments(Tier::Full, &BTreeMap::new());
        assert_eq!(arguments, ["--extern=abc=/dependencies/libabc-1.rlib"]);
        assert_eq!(names, ["abc"]);
        let error = DependencySet::open(&set, Some("rustc 2")).expect_err("another compiler");
        assert!(error.to_string().contains("built by rustc 1"), "{error}");
        std::fs::write(set.join("libabc-1.rlib"), b"other").expect("a file can be written");
        let error = DependencySet::open(&set, None).expect_err("a changed file");
        assert!(error.to_string().contains("is not the file that was built"), "{error}");
    }

    #[test]
    fn package_ids_are_read() {
        assert_eq!(package_of("registry+https://h/i#rand@0.7.3", "rand"), "rand 0.7.3");
        assert_eq!(package_of("path+file:///a/md5#0.8.1", "md5"), "md5 0.8.1");
    }
}
