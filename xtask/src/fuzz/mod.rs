//! The verb `fuzz`: every parser of foreign bytes under libFuzzer, on the pinned stable compiler.
//!
//! cargo-fuzz wants a nightly compiler; the coverage counters that libFuzzer feeds on are made by an
//! LLVM pass that stable rustc runs when asked, so this is a build with a few flags and a loop. Address
//! sanitizing is left out: there is no `unsafe` in the parsers. The targets are in `tests/fuzz`.

mod session;
mod verb;

pub(crate) use verb::{Arguments, fuzz_all, run};
