//! Where rows come from.
//!
//! Is: JSONL and JSON (plain, .gz, .zst), parquet, folders and globs of files, and the machine's
//! cargo registry. Is not: the quality filter (`sigil-filter`), and not the Hub: `hub` fetches
//! files first. Next: `spec.rs` for how a source is named, `read.rs` for the dispatch, then one
//! file per format.

mod columns;
mod error;
mod expand;
mod json_rows;
mod parquet_rows;
mod path_rules;
mod read;
mod registry;
mod rust_files;
mod spec;

pub use columns::ColumnNames;
pub use error::SourceError;
pub use path_rules::PathRules;
pub use read::{ReadSettings, read_sources};
pub use spec::SourceSpec;
