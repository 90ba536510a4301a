//! Runs the real `sigil-generate` on the shipped base: its files, its words, its exit codes, and that
//! killing it loses nothing.

mod chat;
mod commands;
mod kills;
mod models;
mod program;
#[path = "../reference/mod.rs"]
mod reference;
mod refusals;
mod samples;
