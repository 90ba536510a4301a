//! Many runs over chosen settings: planned, run one by one, ranked.
//!
//! A plan is a list of settings, every one accepted by the rules of `sigil-config` before anything starts.
//! Runs are carried out by a [`Runner`], each in a folder of its own; what became of each is kept beside
//! it, so that a sweep that was stopped anywhere goes on. Nothing here starts a process or knows a model.
//! Start at [`settings`], then [`plan`], then [`sweep`].

mod error;
pub mod plan;
pub mod results;
pub mod settings;
pub mod sweep;

pub use error::SweepError;
pub use plan::{Plan, Trial};
pub use results::Results;
pub use settings::SweepSettings;
pub use sweep::{Ended, Job, Runner, run};
