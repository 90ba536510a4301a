//! Chooses the crates of the corpus out of everything that was downloaded.
//!
//! Not the files within a crate: `clean.rs`. Left out are the crates of this workspace's own
//! Cargo.lock with their families (the quickstart trains and evaluates on those), licences that ask
//! for more than a notice, bindings and tables, and all but the newest version of a crate.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use semver::Version;
use serde::Deserialize;

use super::archive;
use super::corpus_list::Listed;
use super::error::Error;
use super::fetch::Downloads;
use super::licence::is_permissive;
use super::lock::Locked;

/// First parts of the names of crates that belong with this workspace's dependencies.
const RESERVED_FAMILIES: &[&str] = &[
    "arrow",
    "burn",
    "candle",
    "clap",
    "cubecl",
    "cubek",
    "figment",
    "futures",
    "gemm",
    "hf-",
    "icu_",
    "indicatif",
    "num-",
    "objc2",
    "parquet",
    "rand",
    "serde",
    "tokenizers",
    "tokio",
    "tree-sitter",
    "wasm-bindgen",
    "webpki",
    "wgpu",
    "windows",
];

/// Crates that are mostly tables, bindings or macro-made repetition.
const TABLES: &[&str] = &[
    "aws-lc-rs",
    "encoding_rs",
    "fiat-crypto",
    "glam",
    "k8s-openapi",
    "libc",
    "malachite-base",
    "malachite-nz",
    "malachite-q",
    "moxcms",
    "netlink-packet-route",
    "pic-scale",
    "pxfm",
    "read-fonts",
    "safe_arch",
    "unsafe-libyaml",
    "widestring",
    "wide",
    "write-fonts",
    "x11rb",
    "x11rb-protocol",
];

/// Crates with less text than this between them add names, not text.
const LEAST_BYTES: usize = 60_000;

/// Tells whether a crate's name says that it belongs with this workspace's dependencies.
pub(super) fn is_reserved_family(name: &str) -> bool {
    RESERVED_FAMILIES.iter().any(|family| name.starts_with(family))
}

#[derive(Deserialize)]
struct Manifest {
    package: Package,
}

#[derive(Deserialize)]
struct Package {
    license: Option<String>,
}

/// How many crates were left out, by reason.
pub(super) type Refused = BTreeMap<&'static str, usize>;

/// Returns the chosen crates sorted by name, and what was left out.
///
/// # Errors
/// A downloaded crate that is damaged or is not the pinned one.
pub(super) fn select(
    locked: &[Locked],
    downloads: &Downloads,
    workspace: &BTreeSet<String>,
) -> Result<(Vec<Listed>, Refused), Error> {
    let mut refused = Refused::new();
    let mut newest: BTreeMap<&str, (Version, &Locked)> = BTreeMap::new();
    for package in locked {
        if let Some(reason) = refuse_by_name(&package.name, workspace) {
            *refused.entry(reason).or_default() += 1;
            continue;
        }
        let Ok(version) = Version::parse(&package.version) else { continue };
        if downloads.find(&package.name, &package.version).is_none() {
            *refused.entry("another platform").or_default() += 1;
            continue;
        }
        match newest.get(package.name.as_str()) {
            Some((other, _)) if *other >= version => {
                *refused.entry("older version").or_default() += 1;
            }
            Some(_) => {
                *refused.entry("older version").or_default() += 1;
                newest.insert(&package.name, (version, package));
            }
            None => {
                newest.insert(&package.name, (version, package));
            }
        }
    }
    let mut listed = Vec::new();
    for (_, package) in newest.into_values() {
        let path = downloads.require(&package.name, &package.version)?;
        match examine(&path, package)? {
            Ok(entry) => listed.push(entry),
            Err(reason) => *refused.entry(reason).or_default() += 1,
        }
    }
    Ok((listed, refused))
}

fn refuse_by_name(name: &str, workspace: &BTreeSet<String>) -> Option<&'static str> {
    if workspace.contains(name) {
        Some("in this workspace's Cargo.lock")
    } else if is_reserved_family(name) {
        Some("family of this workspace's dependencies")
    } else if name.ends_with("-sys") || name.ends_with("_sys") || name.contains("bindings") {
        Some("bindings")
    } else if TABLES.contains(&name) {
        Some("tables")
    } else {
        None
    }
}

fn examine(path: &Path, package: &Locked) -> Result<Result<Listed, &'static str>, Error> {
    let opened = archive::open(path, &package.sha256)?;
    let Ok(manifest) = toml::from_str::<Manifest>(&opened.manifest) else {
        return Ok(Err("manifest not readable"));
    };
    let licence = manifest.package.license.unwrap_or_default();
    if !is_permissive(&licence) {
        return Ok(Err("licence"));
    }
    let bytes: usize =
        opened.sources.iter().filter_map(|source| source.bytes.as_ref()).map(Vec::len).sum();
    if bytes < LEAST_BYTES {
        return Ok(Err("little text"));
    }
    Ok(Ok(Listed {
        name: package.name.clone(),
        version: package.version.clone(),
        sha256: package.sha256.clone(),
        licence,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_refused_for_one_reason_each() {
        let workspace = BTreeSet::from(["itoa".to_owned()]);
        for (name, expected) in [
            ("itoa", Some("in this workspace's Cargo.lock")),
            ("burn-extra", Some("family of this workspace's dependencies")),
            ("openssl-sys", Some("bindings")),
            ("glam", Some("tables")),
            ("ropey", None),
        ] {
            assert_eq!(refuse_by_name(name, &workspace), expected, "{name}");
        }
    }
}
