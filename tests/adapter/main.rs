//! Runs the real `sigil-adapter` on the families' fixtures: what it shows, merges, exports and sends.
#![expect(clippy::print_stderr, reason = "a test prints what it measured")]

mod cards;
mod commands;
mod exports;
mod looks;
mod merges;
mod program;
mod pushes;
#[path = "../fake_hub/uploads.rs"]
mod uploads;
