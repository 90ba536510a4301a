//! The training step, the loop around it, checkpoints and resume.
//!
//! | module | is |
//! |---|---|
//! | [`schedule`] | the learning rate as a pure function of the step |
//! | [`optimizer`] | AdamW moments beside the parameters |
//! | [`micro_batch`] | a micro-batch on its way to the device |
//! | [`step`] | micro-batches to one optimizer step, with clipping and the non-finite guard |
//! | [`evaluate`] | loss over held-out documents, file by file, and paired comparison |
//! | [`data`] | settings to training and evaluation documents |
//! | [`checkpoint`] | a run's state to the files of a set and back |
//! | [`assemble`] | settings to plain data |
//! | [`memory_plan`] | what a run will hold in memory |
//! | [`step_work`], [`cpu_rate`] | how much arithmetic a step is, and how fast this machine is |
//! | [`plan`] | what the loop is told and answers |
//! | [`trainer`] | the loop |
//! | [`ranks`] | several processes that share each step |
//! | [`session`] | model and loop on a device chosen at run time |
//!
//! It renames no file itself (`sigil-run` does), prints nothing and reads no environment: what a
//! person should hear goes to a [`Reporter`]. Read [`trainer`] next.
#![recursion_limit = "256"]

pub mod assemble;
pub mod card;
pub mod checkpoint;
pub mod cpu_rate;
pub mod data;
pub mod error;
pub mod evaluate;
pub mod memory;
pub mod memory_plan;
pub mod micro_batch;
pub mod optimizer;
pub mod plan;
pub mod ranks;
pub mod reporter;
pub mod schedule;
pub mod session;
pub mod state;
pub mod step;
pub mod step_work;
pub mod trainer;

pub use error::TrainError;
pub use plan::{Outcome, Stop, TrainPlan};
pub use reporter::Reporter;
pub use trainer::Trainer;
