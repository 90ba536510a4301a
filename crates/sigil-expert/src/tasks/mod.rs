//! Small programming tasks, made by a program: a signature, a comment that says what is wanted, tests
//! that the model does not see, and a solution.
//!
//! A task is a *composition* of operations (keep the even numbers, square them, add them up) over a
//! source (a slice, a range, a text), with names, constants and words drawn by a seed. Compositions are
//! divided once and for all: some are shown to the base with their solutions, some are only asked in
//! rounds, and some are held out. What two operations make together is never on two sides.
//!
//! Pure but for `own.rs`: no file, no clock, no process. Start at `composition.rs` (what there is) and `write.rs` (how
//! one becomes a task); `numbers.rs` and `texts.rs` are the operations, `cases.rs` the tests, `sets.rs`
//! the sets that programs ask for. `own.rs` reads tasks that somebody else made.

mod cases;
mod composition;
mod numbers;
mod operation;
mod own;
mod sets;
mod sources;
mod texts;
mod value;
mod words;
mod write;

pub use composition::{Composition, Split, compositions};
pub use own::read_tasks;
pub use sets::{
    DEVELOPMENT_TASKS, Decontaminated, HELD_OUT_TASKS, TaskSet, decontaminate, each_composition,
    evaluation_sets, solved_rows, task_set,
};
pub use write::{MadeTask, write_task};
