//! What can be wrong with a `config.json` or `generation_config.json`.
//!
//! Every variant names the file and, where there is one, the key. Read `parse.rs` next.

use std::path::PathBuf;

use thiserror::Error;

/// A model configuration that cannot be used, and why.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is not JSON.
    #[error("`{}` is not valid JSON (line {line}, column {column})", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// One-based line of the fault.
        line: usize,
        /// One-based column of the fault.
        column: usize,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// The file is JSON, but its top level is not an object.
    #[error("`{}` does not hold a JSON object", path.display())]
    NotAnObject {
        /// The file.
        path: PathBuf,
    },
    /// A key that has no default is absent or null.
    #[error("`{}` lacks `{key}`", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The key, dotted from the top level.
        key: String,
    },
    /// A key holds a value of another type.
    #[error("`{key}` in `{}` must be {expected}, found {found}", path.display())]
    Type {
        /// The file.
        path: PathBuf,
        /// The key, dotted from the top level.
        key: String,
        /// What was needed.
        expected: &'static str,
        /// The value found, shortened.
        found: String,
    },
    /// A value of the right type that makes no usable model.
    #[error("`{key}` in `{}` is {value}, but {rule}", path.display())]
    Range {
        /// The file.
        path: PathBuf,
        /// The key, dotted from the top level.
        key: String,
        /// The value found.
        value: String,
        /// The rule it breaks.
        rule: String,
    },
    /// A well-formed request for something this program does not compute.
    #[error("`{key}` = {value} in `{}` is not supported ({supported})", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The key, dotted from the top level.
        key: String,
        /// The value found.
        value: String,
        /// What would be.
        supported: String,
    },
    /// A configuration built in memory that its family's `config.json` has no words for.
    #[error("a {family} config.json cannot express {what}")]
    Unrepresentable {
        /// The family's `model_type`.
        family: &'static str,
        /// The trait it has no key for.
        what: String,
    },
}

impl ConfigError {
    /// Says what a user can do about it, where there is something.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                Some("point at a folder that holds a transformers checkpoint with its config.json")
            }
            Self::Json { .. } | Self::NotAnObject { .. } => {
                Some("the download may have been cut short: fetch the file again")
            }
            Self::Unsupported { key, .. } if key == "model_type" => {
                Some("choose a base of the llama, mistral, qwen2, qwen3 or phi3 family")
            }
            Self::Unsupported { key, .. } if key.starts_with("quantization_config") => {
                Some("use the unquantized checkpoint, or one quantized to 4 bits by bitsandbytes")
            }
            _ => None,
        }
    }
}
