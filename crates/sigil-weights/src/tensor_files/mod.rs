//! safetensors folders: read by memory mapping, written as bytes.
//!
//! A checkpoint folder is one `model.safetensors` or several shards with
//! `model.safetensors.index.json`. Tensors are views into the mapping, so that a model larger than
//! memory can be quantized while it streams; [`WeightFiles::release`] gives pages back. It does
//! not know which tensors a model needs, and never writes into a folder. Read `files.rs` next.

mod convert;
mod error;
mod files;
mod index;
mod shard;
mod view;
mod write;

pub use error::WeightsError;
pub use files::WeightFiles;
pub use safetensors::Dtype;
pub use view::TensorView;
pub use write::{TensorOutline, TensorToWrite, safetensors_header, write_safetensors};
