//! Runs the real `sigil-train` on the shipped base: its words, its exit codes, and that killing it
//! loses nothing.
#![expect(clippy::print_stderr, reason = "a test prints what it measured")]

mod commands;
mod inputs;
mod kills;
mod program;
mod runs;
