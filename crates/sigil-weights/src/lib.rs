//! Everything on disk that describes a decoder model, read and written without a tensor library.
//!
//! | module | is |
//! |---|---|
//! | [`config`] | `config.json` and `generation_config.json` of the supported families, RoPE frequencies |
//! | [`tensor_files`] | safetensors folders read by memory mapping, and written |
//! | [`nf4`] | the NF4 and FP4 codecs of bitsandbytes on plain slices |
//! | [`bnb`] | checkpoints that bitsandbytes already quantized |
//! | [`peft`] | LoRA adapter folders as PEFT reads and writes them |
//!
//! It deliberately is not a model: no layer is computed here, no tensor lives on a device, and
//! nothing is renamed or fsynced (placing files durably is the run crate's work; this crate hands
//! out bytes). Files are *alleged* to be what they say: every size, offset and name is checked
//! before it is used. Read `config/mod.rs` next.

pub mod bnb;
pub mod config;
pub mod nf4;
pub mod peft;
pub mod tensor_files;

pub use config::{ConfigError, DecoderConfig, Family, GenerationConfig};
pub use nf4::{CodecError, FourBit, QuantizedMatrix, Scales};
pub use peft::{Adapter, AdapterConfig, PeftError};
pub use tensor_files::{Dtype, TensorView, WeightFiles, WeightsError};
