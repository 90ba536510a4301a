//! Verdicts that are known already, in one file that only grows, in a folder of the user's own.
//!
//! Each line is a key, a checksum and a result; a line that another process was still writing, or that
//! is damaged, has a wrong checksum and does not exist. Only the judge writes here, and nothing of the
//! folder is ever visible to a sample. Start at `store.rs`; `key.rs` says what a key is made of.

mod key;
mod store;

pub use key::Key;
pub use store::{CacheSummary, ResultCache};
