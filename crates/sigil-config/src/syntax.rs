//! The syntaxes settings can be written in, each read into the same tree of `node.rs`.
//!
//! Problems are collected, not returned at the first one. Nothing here knows which settings exist.
//! Read next: `syntax/toml.rs`, `syntax/yaml.rs`, `syntax/text.rs`.

pub(crate) mod text;
pub(crate) mod toml;
pub(crate) mod yaml;

use std::ops::Range;
use std::path::Path;

use crate::node::Node;

/// Something in a text that could not be read, with its place in bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SyntaxProblem {
    pub(crate) message: String,
    pub(crate) span: Range<usize>,
}

/// The syntax of a settings file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    Toml,
    Yaml,
}

impl Syntax {
    /// Tells the syntax by the ending of the file's name. JSON is read as the YAML it is.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "toml" => Some(Self::Toml),
            "yaml" | "yml" | "json" => Some(Self::Yaml),
            _ => None,
        }
    }

    /// Reads a text. The tree holds what could be read in spite of the problems.
    pub(crate) fn read(self, text: &str) -> (Node, Vec<SyntaxProblem>) {
        match self {
            Self::Toml => toml::read(text),
            Self::Yaml => yaml::read(text),
        }
    }
}
