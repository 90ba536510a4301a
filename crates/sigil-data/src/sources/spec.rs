//! How a config names a source.
//!
//! Is: the text form, with the predecessor's `local:` and `parquet:` prefixes. Is not: a look at
//! the disk (`read.rs`). Next: `read.rs`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Names one source of rows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceSpec {
    /// `PATH`: a file, a folder or a glob; the kind follows from suffixes.
    Path(String),
    /// `local:PATH`: JSONL, whatever the suffix.
    Jsonl(PathBuf),
    /// `parquet:PATH`: parquet, whatever the suffix, or a folder of it.
    Parquet(PathBuf),
    /// `registry:PATH`: the `.rs` files of the crates that a `Cargo.lock` names, as cargo unpacked
    /// them on this machine.
    Registry(PathBuf),
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
        assert_eq!(SourceSpec::from("C:/a.jsonl"), SourceSpec::Path("C:/a.jsonl".into()));
    }
}
