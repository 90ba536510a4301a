//! Every Rust file says what it is, has a name that says it too, and can be read in one sitting.

use crate::check::Finding;
use crate::check::tree::Tree;

const RULE: &str = "file-shape";

/// The limit; about 150 lines is the usual size.
const MAX_LINES: usize = 800;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 8] = [
    "utils.rs",
    "util.rs",
    "helpers.rs",
    "helper.rs",
    "common.rs",
    "misc.rs",
    "shared.rs",
    "imp.rs",
];

/// Folders with such names gather the same things.
const EMPTY_FOLDERS: [&str; 5] = ["utils", "util", "helpers", "common", "misc"];

/// Reports long files, files without module docs, and names that say nothing.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust() {
        let lines = text.lines().count();
        if lines > MAX_LINES {
            let message = format!("{lines} lines; at most {MAX_LINES}: split it by subject");
            findings.push(Finding::file(RULE, path, message));
        }
        if !text.starts_with("//!") {
            let message = "must open with `//!`: what it is, what it is not, which file is next";
            findings.push(Finding::line(RULE, path, 1, message));
        }
        let mut parts = path.split('/').rev();
        let name = parts.next().unwrap_or_default();
        let empty_folder = parts.any(|part| EMPTY_FOLDERS.contains(&part));
        if EMPTY_NAMES.contains(&name) || empty_folder {
            let message = "this name could hold anything: name what is inside";
            findings.push(Finding::file(RULE, path, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_file_with_docs_is_fine() {
        let tree = Tree::from_texts([
            ("crates/a/src/lib.rs", "//! Something.\n"),
            ("tests/fixtures/rust/utils.rs", "fn not_ours() {}\n"),
        ]);
        assert_eq!(check(&tree), []);
    }

    #[test]
    fn length_docs_and_names_are_reported() {
        let long = format!("//! Long.\n{}", "\n".repeat(800));
        let tree = Tree::from_texts([
            ("crates/a/src/bare.rs", "fn a() {}\n"),
            ("crates/a/src/common/mod.rs", "//! Things.\n"),
            ("crates/a/src/long.rs", &long),
            ("crates/a/src/utils.rs", "//! Things.\n"),
        ]);
        let paths: Vec<String> = check(&tree).into_iter().map(|finding| finding.path).collect();
        let names = ["bare.rs", "common/mod.rs", "long.rs", "utils.rs"];
        assert_eq!(paths, names.map(|name| format!("crates/a/src/{name}")));
    }
}
