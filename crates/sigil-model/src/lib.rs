//! Decoder families with hand-written forward and backward passes.
//!
//! | module | is |
//! |---|---|
//! | [`parameters`] | what is trained: values and gradients by name |
//! | [`linear`] | a frozen or trained linear layer with its LoRA branch |
//! | `group` | linear layers that read the same input, as one call |
//! | [`layer`] | one decoder layer, forward and backward side by side |
//! | [`decoder`] | embedding, layers, head: loss, gradients, logits |
//! | [`footprint`] | numbers that a pass holds for each token |
//! | [`load`] | from model files to a decoder, quantizing while streaming |
//! | `quantized` | 4-bit weights on a device |
//! | [`adapter`] | LoRA parameters from and to PEFT adapters |
//! | [`generate`] | text: cached keys and values, slots, sampling |
//! | [`init`] | fresh weights: PEFT's LoRA initialization, a whole new model |
//!
//! There is no training loop here (see `sigil-qlora`) and no file format (see `sigil-weights`).
//! There is no autodiff either: it is the oracle of the kernels' tests. Read [`layer`] next.
#![recursion_limit = "256"]

pub mod adapter;
pub mod decoder;
pub mod error;
pub mod footprint;
pub mod generate;
mod group;
pub mod init;
pub mod layer;
pub mod linear;
pub mod load;
pub mod parameters;
pub mod policy;
mod quantized;

pub use decoder::{Decoder, Pass, TokenBatch};
pub use error::ModelError;
pub use load::{LoadOptions, Mode};
pub use parameters::{Parameter, ParameterId, Parameters};
pub use policy::CheckpointPolicy;
