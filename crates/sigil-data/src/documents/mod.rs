//! Rows as tokens: what a model sees of a row.
//!
//! Is: encoding with BOS, EOS and chat templates, cutting of long rows, the flat store. Is not: the
//! arrangement into batches (`pack.rs`, `stream.rs`). Next: `encode.rs` for how a row becomes tokens,
//! `build.rs` for pieces, `set.rs` for the store.

mod build;
mod encode;
mod error;
mod fim;
mod fim_nodes;
mod set;

pub(crate) use build::cut_rows;
pub use build::{ChatUse, DocumentSettings, LongRows, build_documents};
pub use encode::{Encoded, RowEncoder};
pub use error::DocumentError;
pub use fim::{FimSettings, FimSpans};
pub use set::{Document, DocumentSet, DocumentView};
