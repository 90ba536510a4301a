//! What can go wrong here, each with its place.

use std::path::PathBuf;

use sigil_run::RunError;
use sigil_weights::{ConfigError, PeftError, WeightsError};

/// Why something could not be done with an adapter or a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdapterError {
    /// A run folder, or writing a file.
    #[error(transparent)]
    Run(#[from] RunError),
    /// An adapter folder.
    #[error(transparent)]
    Peft(#[from] PeftError),
    /// Weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// `config.json`.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system reports.
        source: std::io::Error,
    },
    /// Nothing that is known here.
    #[error("`{}` is no run, adapter, model or GGUF file", path.display())]
    Unknown {
        /// The path.
        path: PathBuf,
    },
    /// A set was asked for by a word that names none.
    #[error("`{which}` names no checkpoint set of `{}`", path.display())]
    NoSet {
        /// What was asked for.
        which: String,
        /// The run.
        path: PathBuf,
    },
    /// There is an adapter but no weights to add it to, or the other way round.
    #[error("`{}` {what}", path.display())]
    WrongKind {
        /// The path.
        path: PathBuf,
        /// What is missing, as the rest of the sentence.
        what: &'static str,
    },
    /// A value that the type asked for cannot hold.
    #[error("tensor `{tensor}` holds {value:e}, which {dtype} cannot")]
    Overflow {
        /// The tensor.
        tensor: String,
        /// The value.
        value: f32,
        /// The type.
        dtype: &'static str,
    },
    /// Too little space for what will be written.
    #[error("{needed} bytes are needed in `{}`, and {free} are free", path.display())]
    NoSpace {
        /// Bytes that will be written.
        needed: u64,
        /// Bytes that are free.
        free: u64,
        /// The folder.
        path: PathBuf,
    },
    /// A GGUF file that is not one.
    #[error("`{}` is no whole GGUF file: {what}", path.display())]
    Gguf {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A model that GGUF's readers have no name for.
    #[error("this model cannot be written as GGUF: {what}")]
    NotExportable {
        /// Why.
        what: String,
        /// What can be done.
        hint: Option<&'static str>,
    },
    /// A tokenizer file that is not understood.
    #[error("`{}`: {what}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A model card of another form.
    #[error("`{}` has no front matter, so results have no place in it", path.display())]
    NoCard {
        /// The card.
        path: PathBuf,
    },
    /// Two things of different kinds were to be compared.
    #[error("an adapter can be compared with an adapter only: `{}` is {found}", path.display())]
    NotAnAdapter {
        /// The path.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// The Hub refused or could not be reached.
    #[error("the Hub, `{repo}`: {reason}")]
    Hub {
        /// The repository.
        repo: String,
        /// What it said.
        reason: String,
        /// What can be done.
        hint: Option<&'static str>,
    },
}

impl AdapterError {
    /// What the user can do about it, when there is something.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let fixed: &'static str = match self {
            Self::Run(error) => return error.hint(),
            Self::Peft(error) => return error.hint().map(str::to_owned),
            Self::Weights(error) => return error.hint().map(str::to_owned),
            Self::Unknown { .. } => {
                "a run has run.json, an adapter adapter_config.json, a model config.json"
            }
            Self::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                "name a run folder of sigil-train, a checkpoint set, a PEFT adapter folder or a model \
                 folder that is there"
            }
            Self::NoSet { .. } => "use newest, best, or a step such as 400",
            Self::Overflow { .. } => "use bfloat16, which reaches as far as float32",
            Self::NoSpace { .. } => "write to another disk, or free some space",
            Self::NotExportable { hint, .. } | Self::Hub { hint, .. } => (*hint)?,
            _ => return None,
        };
        Some(fixed.to_owned())
    }

    pub(crate) fn read(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }
}
