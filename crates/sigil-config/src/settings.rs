//! The typed settings of a run: one struct per section, each in a file of its own.
//!
//! The doc comment of each field is also its text in the JSON Schema and in the reference, and the
//! `schemars` bounds are the ones the loader enforces. Nothing here reads a file or knows that
//! layers exist. Read next: `layers.rs` (how a `Settings` comes to be), `rules.rs` (what has to
//! hold between fields).

mod dataset;
mod device;
mod evaluation;
mod hub;
mod lora;
mod model;
mod quantization;
mod run;
mod schedule;
mod secret;
mod sequence;
mod train;

pub use dataset::{
    ColumnSettings, DatasetSettings, InterleaveMode, InterleaveStop, ShuffleMode, TestCode,
};
pub use device::{Device, DeviceError};
pub use evaluation::{EvaluationSettings, HoldOutBy};
pub use hub::HubSettings;
pub use lora::{LoraSettings, Targets};
pub use model::{BUILT_IN_BASE, ModelSettings, TrainingMode};
pub use quantization::{ComputeDtype, QuantType, QuantizationSettings};
pub use run::RunSettings;
pub use schedule::{Schedule, Warmup};
pub use secret::Secret;
pub use sequence::{ChatMode, FimSpanMode, LongRowsMode, SequenceSettings};
pub use train::{CheckpointPolicy, Length, LogBackend, OnNonFinite, Optimizer, TrainSettings};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything a training run is told, after all layers were merged and checked.
///
/// Serializing it leaves secrets out, so that the text can be stored beside checkpoints and hashed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Which model is trained, and how much of it.
    pub model: ModelSettings,
    /// Where the training rows come from and which of them are kept.
    pub dataset: DatasetSettings,
    /// What is held out from training and when it is scored.
    pub evaluation: EvaluationSettings,
    /// How rows become sequences of tokens.
    pub sequence: SequenceSettings,
    /// The low-rank adapters.
    pub lora: LoraSettings,
    /// The optimization itself.
    pub train: TrainSettings,
    /// How the frozen base is stored.
    pub quantization: QuantizationSettings,
    /// The run folder, the device, the seed.
    pub run: RunSettings,
    /// Where models and datasets are downloaded from.
    pub hub: HubSettings,
}

impl Settings {
    /// Renders the settings as TOML in the order of the fields, without secrets and without the
    /// fields that are not set. The text loads back to equal settings, and equal settings give
    /// equal text, so its hash is the digest of a configuration.
    ///
    /// # Panics
    /// When a seed set in code does not fit into 63 bits; loading refuses such a seed.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("settings hold only values that TOML can express")
    }

    /// Reads what [`Settings::to_toml`] wrote, as another process of the same run does; a user's file has
    /// layers, places and rules, and is read by [`crate::Layers`].
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }
}
