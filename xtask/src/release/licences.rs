//! THIRD-PARTY-LICENSES: every package in the programs, with the texts that its licence wants along.
//!
//! Equal texts are written once. A package that ships no text gets the standard text of a licence
//! it offers, where this repository has one; otherwise the release stops. Which licences are
//! acceptable at all is judged by `cargo xtask check`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::check::dependencies::{Expression, Package};

/// How the names of licence files start, in lower case.
const FILE_STARTS: [&str; 6] =
    ["license", "licence", "copying", "notice", "unlicense", "copyright"];

/// Standard texts for packages that ship none.
const STANDARD_TEXTS: [(&str, &str); 2] = [
    ("Apache-2.0", include_str!("../../../LICENSE-APACHE")),
    ("MIT", include_str!("../../../LICENSE-MIT")),
];

const RULE: &str =
    "\n--------------------------------------------------------------------------------\n";

/// Why the file could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LicencesError {
    /// A package's folder or file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A package without a text, of a licence whose text is not here.
    #[error("`{package}` ships no licence text, and none is kept here for `{licence}`")]
    NoText {
        /// Name and version.
        package: String,
        /// Its licence expression.
        licence: String,
    },
}

/// Writes the text for these packages, sorted as they are given.
///
/// # Errors
/// [`LicencesError`].
pub(crate) fn third_party_licences(packages: &[&Package]) -> Result<String, LicencesError> {
    let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut text = String::from(
        "The programs in this archive contain the following packages. Their licence texts follow.\n\n",
    );
    for package in packages {
        let name = format!("{} {}", package.name, package.version);
        let licence = package.license.as_deref().unwrap_or("see its text below");
        let place = package.repository.as_deref().unwrap_or("crates.io");
        writeln!(text, "{name}: {licence} ({place})").expect("writing to a string cannot fail");
        let folder = package.manifest_path.parent().unwrap_or(Path::new("."));
        let mut texts = shipped_texts(folder)?;
        if texts.is_empty() {
            texts.push(standard_text(package, &name, licence)?);
        }
        for licence_text in texts {
            users.entry(licence_text).or_default().push(name.clone());
        }
    }
    // Sorted by the first package that uses a text, which follows the list above.
    let mut parts: Vec<(Vec<String>, String)> = users.into_iter().map(|(t, u)| (u, t)).collect();
    parts.sort();
    for (names, licence_text) in parts {
        text.push_str(RULE);
        text.push_str(&names.join(", "));
        text.push_str(":\n\n");
        text.push_str(licence_text.trim_end());
        text.push('\n');
    }
    Ok(text)
}

/// Reads the licence files at the top of a package, and those in folders named for them.
fn shipped_texts(folder: &Path) -> Result<Vec<String>, LicencesError> {
    let read = |path: &Path| {
        let failed = |source| LicencesError::Read { path: path.to_owned(), source };
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            entries.push(entry.map_err(failed)?.path());
        }
        entries.sort();
        Ok(entries)
    };
    let mut texts = Vec::new();
    for path in read(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        if !FILE_STARTS.iter().any(|start| name.starts_with(start)) || name.ends_with(".rs") {
            continue;
        }
        let files = if path.is_dir() { read(&path)? } else { vec![path] };
        for file in files.into_iter().filter(|file| file.is_file()) {
            let bytes = std::fs::read(&file)
                .map_err(|source| LicencesError::Read { path: file.clone(), source })?;
            texts.push(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"));
        }
    }
    Ok(texts)
}

fn standard_text(package: &Package, name: &str, licence: &str) -> Result<String, LicencesError> {
    let missing =
        || LicencesError::NoText { package: name.to_owned(), licence: licence.to_owned() };
    let expression = Expression::parse(licence).map_err(|_| missing())?;
    let chosen = STANDARD_TEXTS.iter().find(|(id, _)| expression.is_met(&|known| known == *id));
    let (id, text) = chosen.ok_or_else(missing)?;
    if *id != "MIT" {
        return Ok((*text).to_owned());
    }
    // The MIT text names its holder, which the package's own manifest tells.
    let holder = if package.authors.is_empty() {
        format!("the authors of {}", package.name)
    } else {
        package.authors.join(", ")
    };
    let lines = text.lines().map(|line| match line.starts_with("Copyright (c)") {
        true => format!("Copyright (c) {holder}\n"),
        false => format!("{line}\n"),
    });
    Ok(lines.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(folder: &Path, name: &str, licence: &str) -> Package {
        let json = serde_json::json!({
            "id": name, "name": name, "version": "1.0.0", "license": licence,
            "authors": ["Jo Author"], "manifest_path": folder.join(name).join("Cargo.toml"),
            "dependencies": [],
        });
        std::fs::create_dir_all(folder.join(name)).expect("a temporary folder can be written");
        serde_json::from_value(json).expect("the form of `cargo metadata`")
    }

    #[test]
    fn equal_texts_are_written_once_and_missing_ones_are_found()
    -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        let a = package(root.path(), "a", "ISC");
        let b = package(root.path(), "b", "ISC");
        let c = package(root.path(), "c", "MIT");
        for name in ["a", "b"] {
            std::fs::write(root.path().join(name).join("LICENSE"), "the same text\r\n")?;
        }
        std::fs::create_dir(root.path().join("b/LICENSES"))?;
        std::fs::write(root.path().join("b/LICENSES/extra.txt"), "another text")?;
        let text = third_party_licences(&[&a, &b, &c])?;
        assert_eq!(text.matches("the same text").count(), 1);
        assert!(text.contains("a 1.0.0, b 1.0.0:\n\nthe same text\n"), "{text}");
        assert!(text.contains("b 1.0.0:\n\nanother text\n"), "{text}");
        assert!(text.contains("Copyright (c) Jo Author"), "{text}");
        assert!(!text.contains("sigil developers"), "{text}");
        Ok(())
    }

    #[test]
    fn a_licence_without_any_text_stops_the_release() -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        let lost = package(root.path(), "lost", "MPL-2.0");
        let error = third_party_licences(&[&lost]).expect_err("there is no text for it");
        assert!(error.to_string().contains("lost 1.0.0"), "{error}");
        let offered = package(root.path(), "offered", "MPL-2.0 OR Apache-2.0");
        assert!(third_party_licences(&[&offered])?.contains("Apache License"));
        Ok(())
    }
}
