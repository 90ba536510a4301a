//! Makes what the small base model is trained on: a pinned corpus of permissively licensed Rust,
//! a byte-level BPE tokenizer trained on it, and one file of token ids.
//!
//! The training is `sigil-qlora`'s ordinary loop with `mode = "full"`; `train` only sets it up.
//! The stages in order, one file each: `fetch` (cargo downloads the pinned crates), `select` and
//! `licence` (which crates), `archive` (opens a crate), `clean`, `duplicates` and `decontaminate`
//! (which files), `texts` (writes them), `tokenizer` (trains), `encode` (token ids),
//! `train` (the model), `extend` (a second phase), `blend` (less of it), `export` (the files
//! that ship).
//! Next: `command.rs`, which runs them.

mod archive;
mod benchmarks;
mod blend;
mod clean;
mod command;
mod corpus_list;
mod duplicates;
mod encode;
mod error;
mod export;
mod extend;
mod fetch;
mod ledger;
mod licence;
mod lock;
mod prepare;
mod select;
mod shuffle;
mod texts;
mod tokenizer;
mod train;

pub(crate) use command::{Arguments, run};
