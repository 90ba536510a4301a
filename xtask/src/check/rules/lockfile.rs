//! Cargo.lock is committed, so that every build and the quickstart's data are the same.
//!
//! That it is current is shown by `cargo metadata --locked` in `../dependencies/graph.rs`.

use crate::check::Finding;
use crate::check::tree::Tree;

const RULE: &str = "lockfile";

/// Reports a missing or ignored Cargo.lock.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !tree.exists("Cargo.lock") {
        findings.push(Finding::file(RULE, "Cargo.lock", "must be committed"));
    }
    for (index, line) in tree.text(".gitignore").unwrap_or_default().lines().enumerate() {
        if matches!(line.trim(), "Cargo.lock" | "/Cargo.lock" | "*.lock") {
            findings.push(Finding::line(RULE, ".gitignore", index + 1, "hides Cargo.lock"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_hidden_lock_is_reported() {
        assert_eq!(
            check(&Tree::from_texts([("Cargo.lock", ""), (".gitignore", "/target/\n")])),
            []
        );
        assert_eq!(check(&Tree::from_texts([(".gitignore", "/Cargo.lock\n")])).len(), 2);
    }
}
