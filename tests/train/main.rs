//! Runs the real `sigil-train` on the shipped base: its words, its exit codes, and that killing it
//! loses nothing.
#![expect(clippy::print_stderr, reason = "a test prints what it measured")]

mod commands;
#[expect(dead_code, reason = "not every fault is needed here")]
#[path = "../fake_hub/mod.rs"]
mod fake_hub;
mod hub;
mod inputs;
mod kills;
mod phases;
mod program;
mod ranks;
#[path = "../reference/mod.rs"]
mod reference;
mod runs;
mod screen;
#[expect(dead_code, reason = "not everything is asked here")]
#[path = "../fake_hub/uploads.rs"]
mod uploads;
mod watch;
