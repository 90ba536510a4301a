//! What can be wrong with an adapter folder or with a choice of targets.
//!
//! Variants name the file and the key or tensor.

use std::path::PathBuf;

use thiserror::Error;

use crate::tensor_files::WeightsError;

/// An adapter that cannot be used, and why.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PeftError {
    /// A file could not be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The configuration is not a JSON object.
    #[error("`{}` is not a JSON object: {what}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What the parser said, with line and column.
        what: String,
    },
    /// A key is missing or holds a value that cannot be used.
    #[error("`{key}` in `{}` {what}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// What is wrong, as the rest of the sentence.
        what: String,
    },
    /// The adapter uses a feature of PEFT that is not computed here.
    #[error("`{key}` = {value} in `{}` is not supported", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// Its value.
        value: String,
    },
    /// A module or rank pattern is not a regular expression.
    #[error("`{pattern}` in `{key}` is not a usable regular expression: {what}")]
    Pattern {
        /// The key it came from.
        key: &'static str,
        /// The expression.
        pattern: String,
        /// What the parser or matcher said.
        what: String,
    },
    /// No module of the model is targeted.
    #[error("target_modules {targets} matches none of the model's linear layers ({available})")]
    NoTargets {
        /// The targets as written.
        targets: String,
        /// The short names there are.
        available: String,
    },
    /// There are weights, but in a format that is not read.
    #[error("`{}` is a pickle file, which is not read", path.display())]
    Pickle {
        /// The file.
        path: PathBuf,
    },
    /// The tensor file is damaged or missing.
    #[error("the adapter's tensors cannot be read")]
    Weights(#[from] WeightsError),
    /// Tensors that are not LoRA matrices of targeted modules.
    #[error("`{}` holds tensors that are not understood: {}", path.display(), names.join(", "))]
    Unrecognised {
        /// The file.
        path: PathBuf,
        /// Each with the reason in parentheses.
        names: Vec<String>,
    },
    /// A module's pair of matrices is incomplete or has the wrong shape.
    #[error("LoRA matrices of `{module}`: {what}")]
    Module {
        /// The module, such as `model.layers.0.self_attn.q_proj`.
        module: String,
        /// What is wrong.
        what: String,
    },
    /// There is no adapter for a module that the configuration targets.
    #[error("the adapter has no matrices for {} targeted modules, `{}` first", modules.len(), modules.first().map_or("", String::as_str))]
    MissingModules {
        /// The modules.
        modules: Vec<String>,
    },
}

impl PeftError {
    /// Says what a user can do about it, where there is something.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unsupported { key, .. } => Some(match key.as_str() {
                "use_dora" => "train or export the adapter as plain LoRA (use_dora = false)",
                "modules_to_save" => "merge the fully trained modules into the base first",
                "bias" => "train the adapter with bias = \"none\"",
                "init_lora_weights" => {
                    "convert it with PEFT's path_initial_model_for_weight_conversion, which leaves plain LoRA"
                }
                _ => "only plain LoRA on linear layers is supported",
            }),
            Self::Pickle { .. } => {
                Some("load it in PEFT and save it with safe_serialization = True")
            }
            Self::NoTargets { .. } => Some("use \"all-linear\" or names from the list"),
            Self::Weights(source) => source.hint(),
            _ => None,
        }
    }
}
