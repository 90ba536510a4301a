//! `[model]`: which model is trained, and how much of it.
//!
//! Deliberately no architecture here: that is read from the model's own `config.json`.
//! Read next: `lora.rs` and `quantization.rs`, which the mode switches on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The value of `model.name` that means the small base model shipped with sigil.
pub const BUILT_IN_BASE: &str = "sigil-base";

/// Which model is trained, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSettings {
    /// A Hub id (`Qwen/Qwen2.5-Coder-0.5B`), a local folder, or `sigil-base` for the small model
    /// shipped with sigil. Has to be set: there is no useful default.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Branch, tag or commit on the Hub. Not set: the main branch.
    pub revision: Option<String>,
    /// Start from this existing PEFT adapter (a local folder, a run folder or a Hub id) instead of
    /// a fresh one. The optimizer starts anew; to continue an interrupted run, resume it instead.
    pub load_from: Option<String>,
    /// What is trained: `qlora`, `lora` or `full`.
    pub mode: TrainingMode,
}

impl Default for ModelSettings {
    fn default() -> Self {
        Self {
            name: BUILT_IN_BASE.to_owned(),
            revision: None,
            load_from: None,
            mode: TrainingMode::Qlora,
        }
    }
}

/// What is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TrainingMode {
    /// Adapters over a base stored in 4 bits.
    Qlora,
    /// Adapters over an unquantized base.
    Lora,
    /// Every parameter, no adapters.
    Full,
}
