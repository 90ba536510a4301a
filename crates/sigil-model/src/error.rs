//! What can go wrong between model files and a decoder.

use std::path::PathBuf;

use sigil_weights::{ConfigError, PeftError, WeightsError};

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// `config.json` cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A weight file cannot be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// An adapter folder cannot be used.
    #[error(transparent)]
    Peft(#[from] PeftError),
    /// The checkpoint is quantized, so its weights can neither be trained nor read densely.
    #[error(
        "the checkpoint in `{}` is already quantized by bitsandbytes, and `model.mode = \"{mode}\"` \
         needs its weights in full precision", path.display()
    )]
    AlreadyQuantized {
        /// Folder of the checkpoint.
        path: PathBuf,
        /// The mode asked for.
        mode: &'static str,
    },
    /// The adapter has other shapes than the run asks for.
    #[error("the adapter has no matrices for `{module}`, which `lora.target_modules` selects")]
    AdapterLacks {
        /// Full name of the linear layer.
        module: String,
    },
    /// The adapter has more than the run would train.
    #[error("the adapter has matrices for `{module}`, which `lora.target_modules` does not select")]
    AdapterHasMore {
        /// Full name of the linear layer.
        module: String,
    },
    /// The adapter's rank is another.
    #[error("the adapter has rank {found} for `{module}`, and this run wants {wanted}")]
    AdapterRank {
        /// Full name of the linear layer.
        module: String,
        /// Rank in the folder.
        found: usize,
        /// Rank in the settings.
        wanted: usize,
    },
}

impl ModelError {
    /// What to do about it, where the user can do something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => error.hint().map(str::to_owned),
            Self::Weights(error) => error.hint().map(str::to_owned),
            Self::Peft(error) => error.hint().map(str::to_owned),
            Self::AlreadyQuantized { .. } => Some(
                "use `model.mode = \"qlora\"`, or name the model it was quantized from".to_owned(),
            ),
            Self::AdapterLacks { .. } | Self::AdapterHasMore { .. } | Self::AdapterRank { .. } => {
                Some("set `lora.r`, `lora.alpha` and `lora.target_modules` as in the adapter's adapter_config.json".to_owned())
            }
        }
    }
}
