//! Tasks and samples: what was asked, what was answered, and the program that makes.
//!
//! Start at `program.rs` (model text to program) and `harness.rs` (tests around it); `benchmark.rs` and
//! `samples.rs` read files. Nothing here starts anything.

mod benchmark;
mod changed_results;
mod extract;
mod harness;
mod mutants;
mod program;
mod project;
mod repair;
mod samples;

pub use benchmark::{BenchmarkFormat, Task, parse_benchmark, read_benchmark};
pub use extract::{CodeBlock, code_blocks, code_of};
pub use harness::{Harness, HarnessKind, Placement, harness};
pub use mutants::{Mutant, mutants};
pub use program::{How, Program, alone as program_alone, program, without_imports};
pub use project::read_solutions;
pub use repair::{Repaired, repair};
pub use samples::{Sample, parse_samples, pick, read_rust_folder, read_samples};
