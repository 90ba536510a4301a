//! Text to token ids and back, and the training of an own vocabulary.
//!
//! Is: a thin, checked wrapper around the `tokenizers` crate (`tokenizer.json` of Hugging Face).
//! Is not: chat templates (an issue of their own) or packing. Next: `loaded.rs` for encoding,
//! `special.rs` for BOS / EOS / padding, `train_bpe.rs` for making a tokenizer.

mod error;
mod loaded;
mod special;
mod train_bpe;

pub use error::TokenizerError;
pub use loaded::Tokenizer;
pub use train_bpe::{BpeSettings, CODE_SPLIT_PATTERN, train_byte_level_bpe};
