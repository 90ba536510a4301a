//! From datasets to exact token batches.
//!
//! Is: reading rows ([`sources`], [`hub`]), judging, comparing, mixing and shuffling them
//! ([`pipeline`], [`mixing`], [`dedup`], [`decontaminate`]), chat templates ([`chat`]), tokenizers
//! ([`tokenizer`]), documents of tokens ([`documents`]), packing, and the resumable stream of
//! batches ([`BatchStream`]). Every row's fate is counted in a [`Ledger`]. Is not: a model or a
//! training loop. Next: `rows.rs` for the first form of data, `pipeline/mod.rs` for the chain,
//! `batch.rs` for the last form.

mod batch;
pub mod chat;
pub mod decontaminate;
pub mod dedup;
mod digest;
pub mod documents;
mod evaluation;
pub mod hub;
mod ledger;
pub mod mixing;
mod pack;
pub mod pipeline;
mod random;
pub mod recipe;
pub mod rows;
pub mod sources;
mod stream;
pub mod tokenizer;

pub use batch::{Batch, NO_TARGET, RowRef};
pub use dedup::{remove_duplicates, remove_near_held_out};
pub use digest::{Digest, DigestError};
pub use documents::{
    ChatUse, Document, DocumentError, DocumentSet, DocumentSettings, DocumentView, FimSettings,
    FimSpans, LongRows, RowEncoder, build_documents,
};
pub use evaluation::EvaluationPass;
pub use hub::{DatasetRequest, FetchedDataset, HubError, HubSettings, fetch_dataset, fetch_model};
pub use ledger::{Change, Ledger, Quarantined, Reason, Stage, Tally};
pub use pipeline::{KeptRows, PipelineError, RowCache, RowPlan, RowSupply};
pub use rows::{Origin, Row, RowSplit, rows_digest};
pub use sources::{
    ColumnNames, OpenSource, PathRules, ReadSettings, SourceError, SourceSpec, read_sources,
    visit_sources,
};
pub use stream::{BatchPlan, BatchStream, Cursor, StreamError};
pub use tokenizer::{BpeSettings, Tokenizer, TokenizerError, train_byte_level_bpe};
