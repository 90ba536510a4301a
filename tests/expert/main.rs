//! Runs `sigil-expert` with the real programs beside it: small runs from the shipped bases to a report,
//! stopped and killed on their way, and everything that can be given wrong.
//!
//! The programs are those of `cargo build --workspace`; cargo builds only this one for its tests. The
//! whole story is `story.rs`; what a killed run leaves behind is seen in `orphans.rs`, a test of its own.

mod commands;
mod inputs;
mod kills;
mod place;
mod pools;
#[path = "../reference/mod.rs"]
mod reference;
mod stops;
mod story;
