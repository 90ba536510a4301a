//! Training rows that hold a benchmark's tasks are found and dropped.
//!
//! Is: a comparison of lexer tokens, so that neither comments nor layout hide a copy, in two forms:
//! names as they are, and names numbered by their first use, so that renaming hides none either.
//! Is not: near-duplicate removal among training rows (`dedup`). Next: `lexer.rs` for the tokens,
//! `index.rs` for the comparison, `tasks.rs` for benchmark files.

mod index;
mod lexer;
mod tasks;

pub use index::{BenchmarkIndex, Hit};
pub use tasks::{BenchmarkError, Task, read_tasks};
