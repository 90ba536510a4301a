//! The helper: a program of a few dozen kilobytes that lives inside the library and starts programs
//! inside the sandbox.
//!
//! It has no C library, no heap and no loader, so that it starts in a fraction of a millisecond, runs
//! in an empty root, and holds nothing of its parent: not its memory, and not its file, since the
//! library starts it from a sealed memory file (a program that gets at `/proc/1/exe` finds this
//! helper, not the user's executable). `build.rs` compiles it from `main.rs`; the library's tests
//! compile these modules again, for lints and unit tests. Next: `entry.rs`.

pub(crate) mod canary;
pub(crate) mod collect;
pub(crate) mod entry;
pub(crate) mod job;
#[expect(unsafe_code, reason = "the system calls; see its docs")]
pub(crate) mod kernel;
pub(crate) mod program;
pub(crate) mod reader;
pub(crate) mod root;
pub(crate) mod slot;
pub(crate) mod watch;
#[cfg(not(test))]
pub(crate) mod wire;

#[cfg(test)]
pub(crate) use crate::wire;
