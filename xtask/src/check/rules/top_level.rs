//! The top of the repository holds a fixed set of folders and files.

use std::collections::BTreeSet;

use crate::check::Finding;
use crate::check::tree::Tree;

const RULE: &str = "top-level";

/// Folders; each is described in docs/architecture.md.
const FOLDERS: [&str; 8] = [".cargo", ".ci", "bins", "configs", "crates", "docs", "tests", "xtask"];

/// Files that must be there.
const FILES: [&str; 12] = [
    ".gitignore",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "SECURITY.md",
    "deny.toml",
    "rust-toolchain.toml",
    "rustfmt.toml",
    ".ci/run",
];

/// Files that may be there.
const OPTIONAL_FILES: [&str; 2] = [".gitattributes", "clippy.toml"];

/// Reports what is too much and what is missing at the top.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut folders = BTreeSet::new();
    for path in tree.paths() {
        match path.split_once('/') {
            Some((folder, _)) if !FOLDERS.contains(&folder) && folders.insert(folder) => {
                let message = format!(
                    "no folder of the map; what it holds belongs into one of {}",
                    FOLDERS.join(", ")
                );
                findings.push(Finding::file(RULE, folder, message));
            }
            None if !FILES.contains(&path) && !OPTIONAL_FILES.contains(&path) => {
                findings.push(Finding::file(
                    RULE,
                    path,
                    "no file of the map: move it to docs/ or tests/",
                ));
            }
            _ => {}
        }
    }
    for file in FILES.iter().filter(|file| !tree.exists(file)) {
        findings.push(Finding::file(RULE, file, "missing"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_itself_is_fine_and_changes_are_reported() {
        let whole = || FILES.iter().map(|file| (*file, ""));
        assert_eq!(check(&Tree::from_texts(whole())), []);
        let added = whole().chain([("scripts/a.sh", ""), ("scripts/b.sh", ""), ("NOTES.md", "")]);
        let found: Vec<_> = check(&Tree::from_texts(added)).into_iter().map(|f| f.path).collect();
        assert_eq!(found, ["NOTES.md", "scripts"]);
        let found = check(&Tree::from_texts(whole().filter(|(file, _)| *file != "deny.toml")));
        assert_eq!(found.len(), 1);
    }
}
