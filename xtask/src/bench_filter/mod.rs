//! `cargo xtask bench-filter`: how fast `sigil-filter` is, beside the parser alone and beside the
//! predecessor's rules in Python, over the same files.
//!
//! The corpus is a pinned list of crates (`corpus/`), fetched by cargo and hashed. Every case is
//! measured in CPU time of the process and in wall time. The run also checks what speed must not
//! cost: that every verdict reached without the tree equals the tree's.
//! Last comes the whole way of training data over the same files, in tokens a second.
//! Next: `command.rs`; `corpus.rs` for the files, `cases.rs` and `pipeline.rs` for what is measured.

mod cases;
mod command;
mod corpus;
mod end_to_end;
mod error;
mod pipeline;
mod python;
mod report;
mod timer;

pub(crate) use command::{Arguments, run};
