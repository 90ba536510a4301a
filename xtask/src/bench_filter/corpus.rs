//! The files that are judged: the `.rs` files of the pinned crates, in order of crate and path.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::Error;

const MANIFEST: &str = include_str!("corpus/corpus.toml");
const LOCK: &str = include_str!("corpus/corpus.lock");
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Larger files are tables; The Stack has none, either.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Which part of the corpus a file belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stratum {
    Handwritten,
    Bindings,
}

/// One file.
pub(super) struct File {
    /// `crate-version/path`, as the digest of the list has it.
    pub(super) name: String,
    /// Path in its crate.
    pub(super) path: String,
    pub(super) stratum: Stratum,
    pub(super) bytes: Vec<u8>,
}

/// The whole corpus.
pub(super) struct Corpus {
    pub(super) files: Vec<File>,
    /// SHA-256 over the names and contents of all files.
    pub(super) sha256: String,
}

/// Fetches the crates into `cargo_home` and reads their files.
///
/// # Errors
/// No cargo, no registry, a crate that is not there, a file that cannot be read.
pub(super) fn load(cargo: &Path, cargo_home: &Path, work: &Path) -> Result<Corpus, Error> {
    fetch(cargo, cargo_home, work)?;
    let sources = cargo_home.join("registry").join("src");
    let registries = entries(&sources)?;
    let mut files = Vec::new();
    for (name, version, stratum) in crates()? {
        let folder = format!("{name}-{version}");
        let root = registries.iter().map(|r| r.join(&folder)).find(|path| path.is_dir());
        let root = root.ok_or_else(|| Error::Missing(folder.clone()))?;
        read_folder(&root, &root, &folder, stratum, &mut files)?;
    }
    let mut hash = <sha2::Sha256 as sha2::Digest>::new();
    for file in &files {
        sha2::Digest::update(&mut hash, format!("{}\0{}\0", file.name, file.bytes.len()));
        sha2::Digest::update(&mut hash, &file.bytes);
    }
    let digest = sha2::Digest::finalize(hash);
    let sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Corpus { files, sha256 })
}

fn fetch(cargo: &Path, cargo_home: &Path, work: &Path) -> Result<(), Error> {
    let project = work.join("filter-corpus");
    let source = project.join("src");
    std::fs::create_dir_all(&source).map_err(Error::file("create", &source))?;
    std::fs::create_dir_all(cargo_home).map_err(Error::file("create", cargo_home))?;
    let home = cargo_home.canonicalize().map_err(Error::file("find", cargo_home))?;
    for (name, text) in [("Cargo.toml", MANIFEST), ("Cargo.lock", LOCK), ("src/lib.rs", "")] {
        let path = project.join(name);
        std::fs::write(&path, text).map_err(Error::file("write", &path))?;
    }
    let status = Command::new(cargo)
        .args(["fetch", "--locked", "--quiet", "--target", TARGET])
        .current_dir(&project)
        .env("CARGO_HOME", home)
        .env("CARGO_HTTP_MULTIPLEXING", "false")
        .status()
        .map_err(|error| Error::Fetch(error.to_string()))?;
    if status.success() { Ok(()) } else { Err(Error::Fetch(status.to_string())) }
}

/// The crates of the manifest with the versions of the lock file.
fn crates() -> Result<Vec<(String, String, Stratum)>, Error> {
    let wrong = |what: String| Error::Manifest { path: "corpus".into(), what };
    let manifest: toml::Table =
        MANIFEST.parse().map_err(|e: toml::de::Error| wrong(e.to_string()))?;
    let lock: toml::Table = LOCK.parse().map_err(|e: toml::de::Error| wrong(e.to_string()))?;
    let text = |package: &toml::Value, key: &str| {
        package.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned()
    };
    let packages: Vec<(String, String)> = lock
        .get("package")
        .and_then(toml::Value::as_array)
        .map(|list| list.iter().map(|p| (text(p, "name"), text(p, "version"))).collect())
        .unwrap_or_default();
    let tables =
        [("dependencies", Stratum::Handwritten), ("build-dependencies", Stratum::Bindings)];
    let mut crates = Vec::new();
    for (table, stratum) in tables {
        let listed = manifest.get(table).and_then(toml::Value::as_table);
        for (name, value) in listed.into_iter().flatten() {
            let wanted = text(value, "version");
            let wanted = wanted.trim_start_matches('=');
            let version = packages.iter().find(|(n, v)| {
                n == name && v.split('+').next().is_some_and(|version| version == wanted)
            });
            let (_, version) = version.ok_or_else(|| Error::Missing(name.clone()))?;
            crates.push((name.clone(), version.clone(), stratum));
        }
    }
    Ok(crates)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::file("list", folder))? {
        paths.push(entry.map_err(Error::file("list", folder))?.path());
    }
    paths.sort();
    Ok(paths)
}

fn read_folder(
    root: &Path,
    folder: &Path,
    name: &str,
    stratum: Stratum,
    files: &mut Vec<File>,
) -> Result<(), Error> {
    for path in entries(folder)? {
        if path.is_dir() {
            read_folder(root, &path, name, stratum, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let size = path.metadata().map_err(Error::file("read", &path))?.len();
            if size <= MAX_FILE_BYTES {
                let bytes = std::fs::read(&path).map_err(Error::file("read", &path))?;
                let inner = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
                files.push(File { name: format!("{name}/{inner}"), path: inner, stratum, bytes });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crate_of_the_manifest_is_locked() {
        let crates = crates().expect("the committed corpus can be read");
        assert!(crates.len() >= 100);
        assert!(crates.iter().any(|(_, _, stratum)| *stratum == Stratum::Bindings));
    }
}
