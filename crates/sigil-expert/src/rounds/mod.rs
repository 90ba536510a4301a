//! Rounds: stages over files, each done once.
//!
//! `experiment.rs` is the order of things, `measure.rs` and `round.rs` what is done, `stage.rs` what makes a stage count, `job.rs` how the programs
//! of this project are called, `files.rs` what lies between them. Starting a program is left to a
//! [`Runner`]: this crate starts none.

mod experiment;
mod files;
mod job;
#[cfg(test)]
mod kills;
mod measure;
mod metadata;
mod pool;
mod round;
mod stage;

pub(crate) use files::Training;

pub use experiment::{Arm, Experiment, run};
pub use job::{Job, Program, Runner};
pub use stage::StageRecord;
