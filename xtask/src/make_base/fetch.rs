//! Has cargo download the crates of the corpus.
//!
//! The packages are pinned by a lock file of the corpus's own (`corpus/corpus.lock`), so cargo
//! checks what it downloads; nothing is built. Downloads go to a cargo home inside the work folder,
//! so that they never mix with the crates of this workspace, which the quickstart trains on.
//! Not here: which of them are used (`select.rs`).

use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::Error;

/// The crates whose dependency graphs make up the corpus.
pub(super) const MANIFEST: &str = include_str!("corpus/corpus.toml");
/// Every version and checksum.
pub(super) const LOCK: &str = include_str!("corpus/corpus.lock");

/// One target's dependencies are enough, and leave out most operating system bindings.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The downloaded crates.
#[derive(Debug)]
pub(super) struct Downloads {
    folders: Vec<PathBuf>,
    root: PathBuf,
}

fn write_project(work: &Path, lock: Option<&str>) -> Result<PathBuf, Error> {
    let project = work.join("corpus");
    let source = project.join("src");
    std::fs::create_dir_all(&source).map_err(Error::file("create", &source))?;
    let files = [("Cargo.toml", Some(MANIFEST)), ("Cargo.lock", lock), ("src/lib.rs", Some(""))];
    for (name, text) in files {
        if let Some(text) = text {
            let path = project.join(name);
            std::fs::write(&path, text).map_err(Error::file("write", &path))?;
        }
    }
    Ok(project)
}

/// The cargo home of the corpus, whole: cargo runs in another folder than this process.
fn cargo_home(work: &Path) -> Result<PathBuf, Error> {
    let home = work.join("cargo-home");
    std::fs::create_dir_all(&home).map_err(Error::file("create", &home))?;
    home.canonicalize().map_err(Error::file("find", &home))
}

fn run(cargo: &Path, arguments: &[&str], project: &Path, home: &Path) -> Result<(), Error> {
    let status = Command::new(cargo)
        .args(arguments)
        .current_dir(project)
        .env("CARGO_HOME", home)
        // One request per connection, and few connections: gentle to the registry.
        .env("CARGO_HTTP_MULTIPLEXING", "false")
        .env("CARGO_NET_RETRY", "8")
        .status()
        .map_err(|error| Error::Fetch { what: format!("{}: {error}", cargo.display()) })?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Fetch { what: format!("`cargo {}` ended with {status}", arguments.join(" ")) })
    }
}

/// Downloads what is not yet there and returns where it lies.
///
/// # Errors
/// No cargo, no registry, or a lock file that cargo would change.
pub(super) fn fetch(cargo: &Path, work: &Path, lock: &str) -> Result<Downloads, Error> {
    let project = write_project(work, Some(lock))?;
    let home = cargo_home(work)?;
    run(cargo, &["fetch", "--locked", "--quiet", "--target", TARGET], &project, &home)?;
    Downloads::under(&home)
}

/// Resolves the manifest to the newest versions and returns the new lock file's text.
///
/// # Errors
/// No cargo, no registry, or packages that cannot be had together.
pub(super) fn update_lock(cargo: &Path, work: &Path) -> Result<String, Error> {
    let project = write_project(work, None)?;
    let home = cargo_home(work)?;
    run(cargo, &["generate-lockfile"], &project, &home)?;
    let path = project.join("Cargo.lock");
    std::fs::read_to_string(&path).map_err(Error::file("read", &path))
}

impl Downloads {
    /// Lists the registries' folders under a cargo home.
    ///
    /// # Errors
    /// A folder that cannot be listed.
    pub(super) fn under(home: &Path) -> Result<Self, Error> {
        let root = home.join("registry").join("cache");
        let mut folders = Vec::new();
        for entry in std::fs::read_dir(&root).map_err(Error::file("list", &root))? {
            folders.push(entry.map_err(Error::file("list", &root))?.path());
        }
        folders.sort();
        Ok(Self { folders, root })
    }

    /// Returns the `.crate` file of one version, if it was downloaded.
    pub(super) fn find(&self, name: &str, version: &str) -> Option<PathBuf> {
        let file = format!("{name}-{version}.crate");
        self.folders.iter().map(|folder| folder.join(&file)).find(|path| path.is_file())
    }

    /// Returns the `.crate` file of one version that has to be there.
    ///
    /// # Errors
    /// A version that was not downloaded.
    pub(super) fn require(&self, name: &str, version: &str) -> Result<PathBuf, Error> {
        self.find(name, version).ok_or_else(|| Error::Missing {
            name: name.to_owned(),
            version: version.to_owned(),
            folder: self.root.clone(),
        })
    }
}
