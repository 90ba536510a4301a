//! GGUF: one file with a model, its tokenizer and its metadata, as llama.cpp and its kin read it.
//!
//! | file | is |
//! |---|---|
//! | `value.rs` | metadata values |
//! | `layout.rs` | what comes before the tensors, written |
//! | `read.rs` | a foreign file, trusted in nothing |
//! | `kinds.rs` | element types: F32, F16, BF16, Q8_0 |
//! | `names.rs` | tensor names and the order of rows |
//! | `metadata.rs` | the architecture's keys |
//! | `vocabulary.rs` | `tokenizer.json` as lists |
//! | `export.rs` | all of it together |
//!
//! Format: `ggml-org/ggml`, `docs/gguf.md`, version 3, little-endian. Names and conventions are those of
//! llama.cpp's `convert_hf_to_gguf.py`. Start at `export.rs`.

mod export;
mod kinds;
mod layout;
mod metadata;
mod names;
mod read;
mod value;
mod vocabulary;

pub use export::{ExportOptions, ExportPlan};
pub use kinds::TensorKind;
pub use read::{GgufFile, GgufTensor};
pub use value::Value;

/// Tensors begin at multiples of this, from the beginning of the tensors on.
const ALIGNMENT: u64 = 32;
