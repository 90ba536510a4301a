//! From datasets to exact token batches.
//!
//! Is: reading rows ([`rows`]), held-out splits, duplicate removal, tokenizers ([`tokenizer`]),
//! documents of tokens ([`documents`]), packing, and the resumable stream of batches
//! ([`BatchStream`]). Every row's fate is counted in a [`Ledger`]. Is not: a model or a training
//! loop. Next: `rows.rs` for the first form of data, `batch.rs` for the last.

mod batch;
pub mod dedup;
mod digest;
pub mod documents;
mod evaluation;
pub mod hub;
mod ledger;
mod pack;
mod random;
pub mod rows;
mod share;
pub mod sources;
mod split;
mod stream;
pub mod tokenizer;

pub use batch::{Batch, NO_TARGET, RowRef};
pub use dedup::{remove_duplicates, remove_near_held_out};
pub use digest::{Digest, DigestError};
pub use documents::{
    CacheOutcome, Document, DocumentError, DocumentSet, DocumentSettings, DocumentView, LongRows,
    TokenCache, build_documents, tokenize_cached,
};
pub use evaluation::EvaluationPass;
pub use hub::{HubError, HubSettings, fetch_model};
pub use ledger::{Change, Ledger, Reason, Stage, Tally};
pub use rows::{Origin, Row, RowSplit, rows_digest};
pub use share::limit_groups;
pub use sources::{ColumnNames, PathRules, ReadSettings, SourceError, SourceSpec, read_sources};
pub use split::{HeldOut, SplitError, SplitRows, split_rows};
pub use stream::{BatchPlan, BatchStream, Cursor, StreamError};
pub use tokenizer::{BpeSettings, Tokenizer, TokenizerError, train_byte_level_bpe};
