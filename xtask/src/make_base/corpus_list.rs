//! The committed list of the corpus: name, version, SHA-256 and licence of every crate in it.
//!
//! Tab-separated, one crate a line, sorted by name, made by `cargo xtask make-base list`. How
//! crates get onto it: `select.rs`.

use std::fmt::Write as _;
use std::path::Path;

use super::error::Error;

/// The list as committed.
pub(super) const COMMITTED: &str = include_str!("corpus/corpus.tsv");
const HEADER: &str = "name\tversion\tsha256\tlicence";

/// One crate of the corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) version: String,
    /// Lower-case hexadecimal SHA-256 of the `.crate` file.
    pub(super) sha256: String,
    /// The SPDX expression of the crate's own Cargo.toml.
    pub(super) licence: String,
}

/// Reads a list.
///
/// # Errors
/// A line without its four fields; a list without a header.
pub(super) fn read(text: &str, path: &Path) -> Result<Vec<Listed>, Error> {
    let wrong = |line: usize, what: &str| Error::Line {
        path: path.to_owned(),
        line,
        what: what.to_owned(),
    };
    let mut lines = text.lines();
    if lines.next() != Some(HEADER) {
        return Err(wrong(1, "not the header of a corpus list"));
    }
    let mut listed = Vec::new();
    for (index, line) in lines.enumerate() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, version, sha256, licence] = fields[..] else {
            return Err(wrong(index + 2, "not four fields separated by tabs"));
        };
        listed.push(Listed {
            name: name.to_owned(),
            version: version.to_owned(),
            sha256: sha256.to_owned(),
            licence: licence.to_owned(),
        });
    }
    Ok(listed)
}

/// Writes a list as [`read`] reads it.
pub(super) fn write(listed: &[Listed]) -> String {
    let mut text = format!("{HEADER}\n");
    for Listed { name, version, sha256, licence } in listed {
        writeln!(text, "{name}\t{version}\t{sha256}\t{licence}")
            .expect("a string takes every write");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::{fetch, licence, lock, select};
    use super::*;

    fn committed() -> Vec<Listed> {
        read(COMMITTED, Path::new("corpus.tsv")).expect("the committed list")
    }

    #[test]
    fn the_committed_list_is_sorted_pinned_and_permissive() {
        let listed = committed();
        assert!(listed.len() >= 500, "{} crates", listed.len());
        assert!(listed.windows(2).all(|pair| pair[0].name < pair[1].name));
        let locked = lock::registry_packages(fetch::LOCK, Path::new("corpus.lock"))
            .expect("the committed lock file");
        for entry in &listed {
            assert!(licence::is_permissive(&entry.licence), "{}", entry.name);
            assert!(
                locked.iter().any(|l| (&l.name, &l.version, &l.sha256)
                    == (&entry.name, &entry.version, &entry.sha256)),
                "{} {} is not what the lock file pins",
                entry.name,
                entry.version
            );
        }
    }

    /// The quickstart evaluates on crates that the base model never saw.
    #[test]
    fn the_quickstart_families_are_not_in_the_committed_list() {
        for entry in committed() {
            assert!(!select::is_reserved_family(&entry.name), "{}", entry.name);
        }
    }

    #[test]
    fn writing_and_reading_agree() {
        let listed = committed();
        assert_eq!(write(&listed), COMMITTED);
        assert!(read("name\tversion\n", Path::new("x")).is_err());
        let error = read(&format!("{HEADER}\na\tb\n"), Path::new("x")).expect_err("two fields");
        assert_eq!(error.to_string(), "x, line 2: not four fields separated by tabs");
    }
}
