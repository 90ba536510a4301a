//! Rows as tokens: what a model sees of a row.
//!
//! Is: encoding with BOS / EOS, cutting of long rows, the flat store, the cache file. Is not: the
//! arrangement into batches (`pack.rs`, `stream.rs`). Next: `set.rs` for the store, `build.rs` for
//! how a row becomes documents, `cache.rs` for the file.

mod build;
mod cache;
mod cache_file;
mod error;
mod set;

pub use build::{DocumentSettings, LongRows, build_documents};
pub use cache::{CacheOutcome, PlaceFile, TokenCache, tokenize_cached};
pub use error::DocumentError;
pub use set::{Document, DocumentSet, DocumentView};
