//! `cargo xtask bench-generate` times generation on the shipped base at several batch sizes, prompts
//! and tokens after them apart, beside transformers' `generate` where Python has it.
//!
//! Not a test: it measures. Each side is a process of its own that loads the model once; `worker.rs`
//! is ours, `tests/peers/bench_generate.py` the peer's, `command.rs` has them take turns and
//! `report.rs` prints. Next: `command.rs`.

mod command;
mod report;
mod side;
mod worker;

pub(crate) use command::{Arguments, run};
