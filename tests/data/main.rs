//! `sigil-data` as a user runs it.

mod batches;
mod commands;
#[expect(dead_code, reason = "not every fault is needed here")]
#[path = "../fake_hub/mod.rs"]
mod fake_hub;
mod program;
#[path = "../reference/mod.rs"]
mod reference;
mod verbs;
mod wrong;
