//! Judges generated Rust: samples in, verdicts and what they add up to out.
//!
//! A sample becomes a program ([`task`]), the program is compiled, linted and tested in a sandbox
//! ([`judge`]), and the verdicts become rates with intervals ([`score`]). [`source`] looks at the text
//! alone; [`cache`] remembers verdicts, and [`queue`] is what travels when other machines judge. Start at [`judge::Judge`].
//!
//! No process is ever started here but through `sigil-sandbox`. Nothing is printed, and nothing that a
//! sample does can make a result say what is not so: `docs/concepts/judge.md` tells why.

pub mod cache;
mod error;
pub mod judge;
pub mod queue;
pub mod score;
pub mod source;
pub mod task;

pub use error::EvalError;
