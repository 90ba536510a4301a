//! The files a rule may look at: what git tracks, and what it would add.
//!
//! Outside a git checkout (an unpacked source archive) the folder is walked instead, without the
//! folders that builds fill. Nothing is parsed here; see `rust_source.rs` and `manifests.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Text files beyond this are data: no rule reads them.
const MAX_TEXT_BYTES: usize = 2 << 20;

/// Folders that builds and runs fill; only asked when there is no git to ask.
const BUILD_FOLDERS: [&str; 4] = [".git", "target", "out", ".sigil"];

/// Why the tree could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TreeError {
    /// A file or folder could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// `git ls-files` failed in a folder that has `.git`.
    #[error("`git ls-files` failed in {}: {answer}", root.display())]
    Git {
        /// The folder asked about.
        root: PathBuf,
        /// What git said, or why it did not start.
        answer: String,
    },
}

/// Every file of the repository by its path, with its text where it is text.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    files: BTreeMap<String, Option<String>>,
}

impl Tree {
    /// Reads the tree below `root`.
    ///
    /// # Errors
    /// [`TreeError`] when git or the file system refuses.
    pub(crate) fn load(root: &Path) -> Result<Self, TreeError> {
        let paths =
            if root.join(".git").exists() { ask_git(root)? } else { walk(root, Path::new(""))? };
        let mut files = BTreeMap::new();
        for path in paths {
            let full = root.join(&path);
            // A file deleted but not yet committed as deleted is simply not there.
            if !full.is_file() {
                continue;
            }
            let bytes =
                std::fs::read(&full).map_err(|source| TreeError::Read { path: full, source })?;
            let text = if bytes.len() <= MAX_TEXT_BYTES && !bytes.contains(&0) {
                String::from_utf8(bytes).ok()
            } else {
                None
            };
            files.insert(path, text);
        }
        Ok(Self { files })
    }

    /// Builds a tree from paths and texts, for the tests of rules.
    #[cfg(test)]
    pub(crate) fn from_texts<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self { files: texts.into_iter().map(|(p, t)| (p.to_owned(), Some(t.to_owned()))).collect() }
    }

    /// Lists every path, sorted.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Lists every text file with its text, sorted by path.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// Lists the Rust sources that are ours: fixtures are data, whatever their suffix.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(|(path, _)| path.ends_with(".rs") && !is_fixture(path))
    }

    /// Gives the text of one file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// Tells whether a file or a folder of that path exists; the empty path is the root.
    pub(crate) fn exists(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        if path.is_empty() || self.files.contains_key(path) {
            return true;
        }
        let folder = format!("{path}/");
        self.files
            .range(folder.clone()..)
            .next()
            .is_some_and(|(first, _)| first.starts_with(&folder))
    }
}

/// Tells whether a path is test data, which follows the rules of where it came from.
pub(crate) fn is_fixture(path: &str) -> bool {
    path.split('/').any(|part| part == "fixtures")
}

fn ask_git(root: &Path) -> Result<Vec<String>, TreeError> {
    let refused = |answer: String| TreeError::Git { root: root.to_owned(), answer };
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .map_err(|error| refused(error.to_string()))?;
    if !output.status.success() {
        return Err(refused(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let listed = String::from_utf8_lossy(&output.stdout);
    Ok(listed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

fn walk(root: &Path, below: &Path) -> Result<Vec<String>, TreeError> {
    let folder = root.join(below);
    let failed = |source| TreeError::Read { path: folder.clone(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let relative = below.join(entry.file_name());
        if entry.file_type().map_err(failed)?.is_dir() {
            if BUILD_FOLDERS.iter().all(|skipped| Path::new(skipped) != relative) {
                paths.extend(walk(root, &relative)?);
            }
        } else {
            paths.push(relative.to_string_lossy().replace('\\', "/"));
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_folder_is_walked_without_build_folders() -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        for (path, bytes) in
            [("docs/a.md", &b"text"[..]), ("target/x.rs", b"built"), ("base.bin", b"\0\x01")]
        {
            let full = root.path().join(path);
            std::fs::create_dir_all(full.parent().expect("every path above has a parent"))?;
            std::fs::write(full, bytes)?;
        }
        let tree = Tree::load(root.path())?;
        assert_eq!(tree.paths().collect::<Vec<_>>(), ["base.bin", "docs/a.md"]);
        assert_eq!(tree.text("docs/a.md"), Some("text"));
        assert_eq!(tree.text("base.bin"), None);
        assert!(tree.exists("docs") && tree.exists("docs/") && !tree.exists("doc"));
        Ok(())
    }

    #[test]
    fn a_checkout_lists_untracked_files_but_not_ignored_ones()
    -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        let done = Command::new("git").arg("init").arg("-q").current_dir(root.path()).status()?;
        assert!(done.success());
        std::fs::write(root.path().join(".gitignore"), "ignored.rs\n")?;
        std::fs::write(root.path().join("ignored.rs"), "")?;
        std::fs::write(root.path().join("new.rs"), "")?;
        let tree = Tree::load(root.path())?;
        assert_eq!(tree.paths().collect::<Vec<_>>(), [".gitignore", "new.rs"]);
        Ok(())
    }
}
