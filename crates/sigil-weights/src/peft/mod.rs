//! LoRA adapter folders, read and written as PEFT 0.21 does.
//!
//! A folder is `adapter_config.json` and `adapter_model.safetensors`. What PEFT can express and
//! this program does not compute (DoRA, biases, fully trained modules, ...) is refused by name, so
//! that an adapter never loads as something else than it is. No base weight is touched here: merging
//! is the model crate's work. Read `config.rs`, then `targets.rs`, then `adapter.rs`.

mod adapter;
mod config;
mod error;
mod parse;
mod pattern;
mod targets;
mod write;

pub use adapter::{Adapter, LoraPair};
pub use config::{AdapterConfig, ModuleSet, TargetModules};
pub use error::PeftError;
pub use targets::{LoraTarget, ResolvedTargets, resolve_targets};

/// File name of an adapter's configuration.
pub const CONFIG_FILE: &str = "adapter_config.json";
/// File name of an adapter's tensors.
pub const TENSOR_FILE: &str = "adapter_model.safetensors";
