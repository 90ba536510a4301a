//! `sigil-data` as a user runs it.

mod batches;
#[expect(dead_code, reason = "not every fault is needed here")]
#[path = "../fake_hub/mod.rs"]
mod fake_hub;
mod program;
mod verbs;
mod wrong;
