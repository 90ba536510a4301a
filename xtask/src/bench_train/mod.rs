//! `cargo xtask bench-train` times the training step, beside PyTorch and PEFT where they are
//! installed; `cargo xtask peft-logits` writes the logits that PEFT must compute as well.
//!
//! Neither is a test: the first measures, the second feeds `tests/peers/peft_logits.py`. A case is
//! timed in a process of its own, so that its peak memory is its own; `worker.rs` is that process,
//! `protocol.rs` what is said to it, `command.rs` takes turns between ours and the peer's,
//! `report.rs` prints. Next: `command.rs`.

mod command;
mod logits;
mod protocol;
mod report;
mod shape;
mod worker;

pub(crate) use command::{Arguments, run};
pub(crate) use logits::{LogitsArguments, write_logits};
