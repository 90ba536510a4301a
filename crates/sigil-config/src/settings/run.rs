//! `[run]`: the run folder, the device, the seed.
//!
//! Touches no folder: sigil-run does. Read next: `device.rs`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::device::Device;

/// The run folder, the device, the seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunSettings {
    /// The run folder: checkpoints, metrics, the model card. `~/` is expanded.
    #[schemars(length(min = 1))]
    pub output_dir: PathBuf,
    /// Folder of the TensorBoard event files. Not set: `tensorboard` in the run folder.
    pub logging_dir: Option<PathBuf>,
    /// Also write messages to this file; a relative path lies in the run folder.
    pub log_file: Option<PathBuf>,
    /// Seed of everything random: adapters, dropout, noise, batches.
    pub seed: u64,
    /// `auto` (CUDA where it works, else the CPU), `cpu`, or `cuda:N`.
    #[schemars(with = "String", extend("pattern" = "^(auto|cpu|cuda(:[0-9]+)?)$"))]
    pub device: Device,
    /// Processes that share the micro-batches of each step, one a GPU from `device` on (on the CPU they
    /// share the cores). The batch of a step stays what `train` says, so its micro-batches must divide
    /// evenly.
    #[schemars(range(min = 1, max = 64))]
    pub processes: usize,
    /// Choose only operations that give the same bits each time, even where others are faster.
    /// (The CPU always gives the same bits.)
    pub deterministic: bool,
    /// Threads for the CPU's work. Not set: one for each core.
    #[schemars(range(min = 1))]
    pub threads: Option<usize>,
    /// Write the model card with every this many checkpoint sets.
    #[schemars(range(min = 1))]
    pub model_card_frequency: usize,
    /// What a sweep noted about this run; copied to the model card.
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub sweep_metadata: BTreeMap<String, toml::Value>,
}

impl Default for RunSettings {
    fn default() -> Self {
        Self {
            output_dir: PathBuf::from("out/run"),
            logging_dir: None,
            log_file: None,
            seed: 42,
            device: Device::Auto,
            processes: 1,
            deterministic: false,
            threads: None,
            model_card_frequency: 1,
            sweep_metadata: BTreeMap::new(),
        }
    }
}
