//! Known security advisories, as a dated list that needs no network, and how it is rewritten.
//!
//! The list holds facts only (which versions); what an advisory says is at
//! `https://rustsec.org/advisories/ID`. It is as new as its header says: SECURITY.md tells when to
//! rewrite it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use semver::{Prerelease, Version, VersionReq};
use serde::Deserialize;

/// The committed list.
const LIST: &str = include_str!("advisories.tsv");

/// What an advisory warns of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AdvisoryKind {
    /// It can be attacked.
    Vulnerability,
    /// Safe code can misuse memory.
    Unsound,
    /// No one looks after it.
    Unmaintained,
    /// Something else worth knowing.
    Notice,
}

/// One advisory.
#[derive(Debug)]
pub(crate) struct Advisory {
    /// `RUSTSEC-YYYY-NNNN`.
    pub(crate) id: String,
    /// The package.
    pub(crate) package: String,
    /// What it warns of.
    pub(crate) kind: AdvisoryKind,
    /// Versions that are not, or no longer, affected.
    spared: Vec<VersionReq>,
}

/// Why advisories could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum AdvisoriesError {
    /// A line of the list.
    #[error("line {line} of the advisory list: {reason}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A file or folder.
    #[error("cannot use {}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// An advisory of the database.
    #[error("{} is no advisory: {reason}", path.display())]
    Form {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// `git` in the database.
    #[error("`git log` in the database failed: {0}")]
    Git(String),
}

impl Advisory {
    /// Reads the committed list.
    ///
    /// # Errors
    /// [`AdvisoriesError::Line`].
    pub(crate) fn committed() -> Result<Vec<Self>, AdvisoriesError> {
        Self::parse(LIST)
    }

    /// Reads a list: tab-separated id, package, kind, repaired versions, versions never affected.
    ///
    /// # Errors
    /// [`AdvisoriesError::Line`] with the first line that is not of that form.
    pub(crate) fn parse(list: &str) -> Result<Vec<Self>, AdvisoriesError> {
        let lines = list.lines().enumerate().filter(|(_, line)| !line.starts_with('#'));
        let read = |(index, line)| {
            Self::parse_line(line)
                .map_err(|reason| AdvisoriesError::Line { line: index + 1, reason })
        };
        lines.map(read).collect()
    }

    fn parse_line(line: &str) -> Result<Self, String> {
        let [id, package, kind, patched, unaffected] = line.split('\t').collect::<Vec<_>>()[..]
        else {
            return Err("five fields expected".to_owned());
        };
        let kind = match kind {
            "vulnerability" => AdvisoryKind::Vulnerability,
            "unsound" => AdvisoryKind::Unsound,
            "unmaintained" => AdvisoryKind::Unmaintained,
            "notice" => AdvisoryKind::Notice,
            other => return Err(format!("`{other}` is no kind")),
        };
        let requirements = patched.split(" | ").chain(unaffected.split(" | "));
        let spared = requirements
            .filter(|text| !text.is_empty())
            .map(|text| VersionReq::parse(text).map_err(|error| format!("`{text}`: {error}")))
            .collect::<Result<_, _>>()?;
        Ok(Self { id: id.to_owned(), package: package.to_owned(), kind, spared })
    }

    /// Tells whether the advisory is about this version.
    pub(crate) fn affects(&self, package: &str, version: &Version) -> bool {
        // A requirement matches pre-releases of its own version only, but `1.0.0-rc.2` of a package
        // repaired in 0.9 is repaired as well: judge it as the release it precedes.
        let mut release = version.clone();
        release.pre = Prerelease::EMPTY;
        let is_spared = |req: &VersionReq| req.matches(version) || req.matches(&release);
        self.package == package && !self.spared.iter().any(is_spared)
    }
}

/// The front matter of an advisory in the database.
#[derive(Deserialize)]
struct Document {
    advisory: Head,
    #[serde(default)]
    versions: Versions,
}

#[derive(Deserialize)]
struct Head {
    id: String,
    package: String,
    informational: Option<String>,
    withdrawn: Option<String>,
}

#[derive(Default, Deserialize)]
struct Versions {
    #[serde(default)]
    patched: Vec<String>,
    #[serde(default)]
    unaffected: Vec<String>,
}

/// Rewrites the list from a checkout of the RustSec advisory database; gives the number of entries.
///
/// # Errors
/// [`AdvisoriesError`] for the first file that cannot be read or is not an advisory.
pub(crate) fn rewrite(database: &Path, list: &Path) -> Result<usize, AdvisoriesError> {
    let commit = Command::new("git")
        .args(["log", "-1", "--format=commit %H, %cs"])
        .current_dir(database)
        .output()
        .map_err(|error| AdvisoriesError::Git(error.to_string()))?;
    if !commit.status.success() {
        return Err(AdvisoriesError::Git(String::from_utf8_lossy(&commit.stderr).into_owned()));
    }
    let mut lines = BTreeMap::new();
    for package in entries(&database.join("crates"))? {
        for path in
            entries(&package)?.into_iter().filter(|p| p.extension().is_some_and(|e| e == "md"))
        {
            let text = std::fs::read_to_string(&path)
                .map_err(|source| AdvisoriesError::File { path: path.clone(), source })?;
            let document = front_matter(&text)
                .map_err(|reason| AdvisoriesError::Form { path: path.clone(), reason })?;
            if document.advisory.withdrawn.is_none() {
                let (key, line) = line_of(document);
                Advisory::parse_line(&line)
                    .map_err(|reason| AdvisoriesError::Form { path, reason })?;
                lines.insert(key, line);
            }
        }
    }
    let header = LIST.lines().filter(|line| line.starts_with('#')).map(|line| {
        let source = String::from_utf8_lossy(&commit.stdout);
        match line.split_once("commit ") {
            Some((before, _)) => format!("{before}{}.", source.trim()),
            None => line.to_owned(),
        }
    });
    let count = lines.len();
    let text: String = header.chain(lines.into_values()).map(|line| line + "\n").collect();
    std::fs::write(list, text)
        .map_err(|source| AdvisoriesError::File { path: list.to_owned(), source })?;
    Ok(count)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, AdvisoriesError> {
    let failed = |source| AdvisoriesError::File { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    Ok(paths)
}

fn front_matter(text: &str) -> Result<Document, String> {
    let inside =
        text.trim_start().strip_prefix("```toml").and_then(|rest| rest.split_once("\n```"));
    let (toml, _) = inside.ok_or("no front matter")?;
    toml::from_str(toml).map_err(|error| error.to_string())
}

fn line_of(document: Document) -> ((String, String), String) {
    let Head { id, package, informational, .. } = document.advisory;
    let fields = [
        id.clone(),
        package.clone(),
        informational.unwrap_or_else(|| "vulnerability".to_owned()),
        document.versions.patched.join(" | "),
        document.versions.unaffected.join(" | "),
    ];
    ((package, id), fields.join("\t"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn affects(patched: &str, unaffected: &str, version: &str) -> bool {
        let line = format!("RUSTSEC-2000-0001\ttar\tunsound\t{patched}\t{unaffected}");
        let [advisory] = &Advisory::parse(&line).expect("valid")[..] else { panic!("one") };
        advisory.affects("tar", &Version::parse(version).expect("valid"))
    }

    #[test]
    fn ranges_are_read_as_rustsec_means_them() {
        assert!(affects("", "", "1.0.0"));
        assert!(affects(">= 0.4.4", "", "0.4.3"));
        assert!(!affects(">= 0.4.4", "", "0.4.4"));
        assert!(!affects("^0.3.24 | >= 0.4.2", "", "0.3.26"));
        assert!(affects("^0.3.24 | >= 0.4.2", "", "0.4.1"));
        assert!(!affects(">= 1.5.5", "< 1.0.0", "0.9.0"));
        assert!(!affects(">= 0.9.0", "", "1.0.0-rc.2"));
    }

    #[test]
    fn the_committed_list_is_read_and_is_not_cut_short() -> Result<(), AdvisoriesError> {
        let list = Advisory::committed()?;
        assert!(list.len() > 1000, "{}", list.len());
        let old_tar = Version::new(0, 4, 15);
        assert!(list.iter().any(|a| a.id == "RUSTSEC-2018-0002" && a.affects("tar", &old_tar)));
        Ok(())
    }

    #[test]
    fn a_database_is_written_as_a_list() -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        let git = |arguments: &[&str]| {
            let identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
            Command::new("git").args(identity).args(arguments).current_dir(root.path()).output()
        };
        git(&["init", "-q"])?;
        for (id, more) in [("0001", ""), ("0002", "withdrawn = \"2020-01-02\"\n")] {
            let folder = root.path().join("crates/tar");
            std::fs::create_dir_all(&folder)?;
            let text = format!(
                "```toml\n[advisory]\nid = \"RUSTSEC-2000-{id}\"\npackage = \"tar\"\n{more}\
                 [versions]\npatched = [\"^1.2\", \">= 2\"]\n```\n# Title\n"
            );
            std::fs::write(folder.join(format!("{id}.md")), text)?;
        }
        git(&["add", "."])?;
        git(&["commit", "-q", "-m", "all"])?;
        let list = root.path().join("list.tsv");
        assert_eq!(rewrite(root.path(), &list)?, 1);
        let text = std::fs::read_to_string(&list)?;
        assert!(text.ends_with("RUSTSEC-2000-0001\ttar\tvulnerability\t^1.2 | >= 2\t\n"), "{text}");
        assert_eq!(Advisory::parse(&text)?.len(), 1);
        Ok(())
    }

    proptest! {
        #[test]
        fn any_list_is_read(text in "[a-z0-9\t|><=^. \n#]{0,60}") {
            Advisory::parse(&text).ok();
            front_matter(&text).ok();
        }
    }
}
