//! `cargo xtask release`: the archive that runs on a bare x86-64 Linux, and the proof that it does.
//!
//! The stages in order, one file each: `elf.rs` (what the binaries ask of the system), `licences.rs`
//! (the texts that must travel along), `archive.rs` (the packed folder and its sum), and
//! `debian_root.rs` (a run in an empty system). It publishes nothing. Next: `verb.rs`.

mod archive;
mod debian_root;
mod elf;
mod licences;
mod verb;

pub(crate) use verb::{Arguments, run};
