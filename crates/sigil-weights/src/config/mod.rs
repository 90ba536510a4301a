//! `config.json`: which decoder this is and how it is shaped.
//!
//! Both spellings are understood: the newer `rope_parameters` / `dtype` and the older
//! `rope_theta` + `rope_scaling` / `torch_dtype` that most published checkpoints carry. Defaults and
//! precedence are those of transformers 5.23. What cannot be computed faithfully is refused by
//! name instead of being ignored. Nothing here touches weights. Read `decoder.rs` next, then
//! `rope.rs` and `frequencies.rs`.

mod decoder;
mod error;
mod fields;
mod frequencies;
mod generation;
mod modules;
mod parse;
mod quantization;
mod rope;
mod windows;
mod write;

pub use decoder::{DecoderConfig, Family, ModelDtype};
pub use error::ConfigError;
pub use frequencies::RopeFrequencies;
pub use generation::GenerationConfig;
pub use modules::{LinearModule, Projection};
pub use quantization::BitsAndBytes;
pub use rope::{Rope, RopeKind};
