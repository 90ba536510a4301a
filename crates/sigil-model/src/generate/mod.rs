//! Generation: text from a decoder, many sequences at a time.
//!
//! | file | is |
//! |---|---|
//! | `weights.rs` | a decoder's weights in the form for generation, an adapter beside or merged |
//! | `forward.rs` | one pass over the rows of several sequences, with their keys and values cached |
//! | `sampling.rs` | from logits to a token: the settings, in transformers' order and meaning |
//! | `stop.rs` | when a sample ends |
//! | `admission.rs` | which requests begin when: slots and the pages of the cache |
//! | `generator.rs` | the loop |
//! | `code_block.rs` | the code in a reply |
//!
//! A sample is a function of the model, its prompt, its settings and its random stream. On the CPU
//! that holds bit for bit: its tokens do not depend on what else is generated at the same time. On
//! other devices it holds up to rounding.
//!
//! No tokenizer and no file: see the program `sigil-generate`. Next: `generator.rs`.

mod admission;
mod code_block;
mod error;
mod forward;
mod generator;
mod sampling;
mod slots;
mod stop;
mod weights;

pub use code_block::code_of;
pub use error::GenerateError;
pub use generator::{Generator, GeneratorShape, Observer, Request, Sample, Settings, Timings};
pub use sampling::{Sampling, sample_stream};
pub use stop::{FinishReason, Stop};
pub use weights::{AdapterUse, GenerationModel};
