//! How a config names a source.
//!
//! Is: the text form, with the predecessor's `local:` and `parquet:` prefixes. Is not: a look at
//! the disk (`read.rs`). Next: `read.rs`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Names one source of rows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceSpec {
    /// `PATH`: a file, a folder or a glob; the kind follows from suffixes. `owner/name` where there is
    /// no such path is a dataset of the Hub ([`SourceSpec::hub_name`]).
    Path(String),
    /// `local:PATH`: JSONL, whatever the suffix.
    Jsonl(PathBuf),
    /// `parquet:PATH`: parquet, whatever the suffix, or a folder of it.
    Parquet(PathBuf),
    /// `registry:PATH`: the `.rs` files of the crates that a `Cargo.lock` names, as cargo unpacked
    /// them on this machine.
    Registry(PathBuf),
}

impl SourceSpec {
    /// Returns the repository and the folder in it, if the source names a Hub dataset: `owner/name`
    /// or `owner/name/folder` where there is no such path on this machine.
    pub fn hub_name(&self, base_folder: &Path) -> Option<(String, String)> {
        let Self::Path(text) = self else { return None };
        let text = text.strip_prefix("hf:").unwrap_or(text);
        let mut parts = text.splitn(3, '/');
        let (owner, name, folder) = (parts.next()?, parts.next()?, parts.next().unwrap_or(""));
        let plain = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        let is_file = [".rs", ".jsonl", ".json", ".parquet", ".gz", ".zst", ".ndjson"]
            .iter()
            .any(|suffix| text.ends_with(suffix));
        let named =
            plain(owner) && plain(name) && folder.split('/').all(|p| p.is_empty() || plain(p));
        (named && !is_file && !base_folder.join(text).exists())
            .then(|| (format!("{owner}/{name}"), folder.to_owned()))
    }
}

impl FromStr for SourceSpec {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.split_once(':') {
            Some(("local", path)) => Self::Jsonl(path.into()),
            Some(("parquet", path)) => Self::Parquet(path.into()),
            Some(("registry", path)) => Self::Registry(path.into()),
            _ => Self::Path(text.to_owned()),
        })
    }
}

impl From<&str> for SourceSpec {
    fn from(text: &str) -> Self {
        match text.parse() {
            Ok(spec) => spec,
            Err(never) => match never {},
        }
    }
}

impl fmt::Display for SourceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.write_str(path),
            Self::Jsonl(path) => write!(f, "local:{}", path.display()),
            Self::Parquet(path) => write!(f, "parquet:{}", path.display()),
            Self::Registry(path) => write!(f, "registry:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips() {
        for text in ["data/a.jsonl", "local:a", "parquet:dir", "registry:Cargo.lock", "src/**/*.rs"]
        {
            assert_eq!(SourceSpec::from(text).to_string(), text);
        }
        let hub = |text: &str| SourceSpec::from(text).hub_name(Path::new("/nonexistent"));
        let named = |repo: &str, folder: &str| Some((repo.to_owned(), folder.to_owned()));
        assert_eq!(hub("a/b"), named("a/b", ""));
        assert_eq!(hub("hf:a/b-1.0/data/rust"), named("a/b-1.0", "data/rust"));
        for text in ["a", "./a/b", "/a/b", "a/*", "a/b.jsonl", "local:a/b", "a b/c", "../a/b"] {
            assert_eq!(hub(text), None, "{text}");
        }
        assert_eq!(SourceSpec::from("C:/a.jsonl"), SourceSpec::Path("C:/a.jsonl".into()));
    }
}
