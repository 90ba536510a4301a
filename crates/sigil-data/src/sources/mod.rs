//! Where rows come from.
//!
//! Is: JSONL and JSON (plain, .gz, .zst), parquet, folders and globs of files, and the machine's
//! cargo registry. Is not: the quality filter (`sigil-filter`), and not the Hub: `hub` fetches
//! files first. Next: `spec.rs` for how a source is named, `open.rs` for its files, `reader.rs` for its
//! rows, `gate.rs` for what is kept, then one file per format.

mod columns;
mod conversations;
mod error;
mod expand;
mod gate;
mod json_rows;
mod open;
mod parquet_rows;
mod path_rules;
mod read;
mod reader;
mod registry;
mod rust_files;
mod spec;

pub use columns::ColumnNames;
pub use error::SourceError;
pub use gate::FilterStage;
pub use open::OpenSource;
pub use path_rules::PathRules;
pub(crate) use read::JudgedRows;
pub use read::{ReadSettings, read_sources, visit_sources};
pub use spec::SourceSpec;
