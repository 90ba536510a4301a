//! Reads the packages of a `Cargo.lock`.
//!
//! Only names, versions and checksums; who depends on whom is not kept. Next: `select.rs`.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use super::error::Error;

/// One package of a lock file that came from a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Locked {
    pub(super) name: String,
    pub(super) version: String,
    /// Lower-case hexadecimal SHA-256 of the `.crate` file.
    pub(super) sha256: String,
}

#[derive(Deserialize)]
struct LockFile {
    #[serde(default)]
    package: Vec<LockPackage>,
}

#[derive(Deserialize)]
struct LockPackage {
    name: String,
    version: String,
    checksum: Option<String>,
}

fn parse(text: &str, path: &Path) -> Result<Vec<LockPackage>, Error> {
    let file: LockFile = toml::from_str(text).map_err(|error| Error::Line {
        path: path.to_owned(),
        line: error.span().map_or(0, |span| text[..span.start].lines().count()),
        what: error.message().to_owned(),
    })?;
    Ok(file.package)
}

/// Returns the registry packages of a lock file in the file's own (sorted) order.
///
/// # Errors
/// Text that is not a lock file.
pub(super) fn registry_packages(text: &str, path: &Path) -> Result<Vec<Locked>, Error> {
    let packages = parse(text, path)?;
    Ok(packages
        .into_iter()
        .filter_map(|p| {
            p.checksum.map(|sha256| Locked { name: p.name, version: p.version, sha256 })
        })
        .collect())
}

/// Returns the names of all packages of a lock file, the workspace's own included.
///
/// # Errors
/// A file that cannot be read or is not a lock file.
pub(super) fn names(path: &Path) -> Result<BTreeSet<String>, Error> {
    let text = std::fs::read_to_string(path).map_err(Error::file("read", path))?;
    Ok(parse(&text, path)?.into_iter().map(|package| package.name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_registry_packages_have_checksums() {
        let text = "[[package]]\nname = \"own\"\nversion = \"0.1.0\"\n\n[[package]]\nname = \"itoa\"\nversion = \"1.0.1\"\nchecksum = \"ab\"\n";
        let packages = registry_packages(text, Path::new("Cargo.lock")).expect("a lock file");
        assert_eq!(
            packages,
            [Locked { name: "itoa".into(), version: "1.0.1".into(), sha256: "ab".into() }]
        );
    }

    #[test]
    fn a_broken_lock_file_is_named_with_its_line() {
        let error = registry_packages("[[package]]\nname = 3\n", Path::new("Cargo.lock"))
            .expect_err("a number is no name");
        assert!(error.to_string().starts_with("Cargo.lock, line"), "{error}");
    }
}
