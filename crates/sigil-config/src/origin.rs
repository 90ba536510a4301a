//! Where a value comes from, in words a user recognises.
//!
//! Read next: `layers.rs` (the order of the layers), `print.rs` (which shows origins).

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Where a value, a note or a problem comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The built-in default.
    Default,
    /// A default that depends on another setting.
    Derived {
        /// The setting it depends on.
        from: &'static str,
    },
    /// A preset shipped with sigil.
    Preset {
        /// Its name.
        name: String,
        /// Line in the preset, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
    /// A file.
    File {
        /// The path as it was given.
        path: PathBuf,
        /// Line in the file, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// A `--set` argument.
    CommandLine {
        /// What stands before the `=`; the value is left out, as it may be secret.
        key: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::Derived { from } => write!(formatter, "default for this {from}"),
            Self::Preset { name, line, column } => {
                write!(formatter, "preset {name}:{line}:{column}")
            }
            Self::File { path, line, column } => {
                write!(formatter, "{}:{line}:{column}", path.display())
            }
            Self::Environment { variable } => write!(formatter, "environment {variable}"),
            Self::CommandLine { key } => write!(formatter, "--set {key}"),
        }
    }
}

/// The origin of every effective value, by key (`train.num_steps`).
pub type Provenance = BTreeMap<String, Origin>;

/// Joins the parts of a key, quoting parts that are not plain words.
pub(crate) fn join<S: AsRef<str>>(parts: &[S]) -> String {
    let plain = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    let parts: Vec<String> = parts
        .iter()
        .map(|part| match part.as_ref() {
            part if plain(part) => part.to_owned(),
            part => format!("\"{}\"", part.escape_debug()),
        })
        .collect();
    parts.join(".")
}
