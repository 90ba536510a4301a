//! Expert iteration: generate, judge, select, train, compare, and again.
//!
//! A run is a list of stages over files ([`rounds`]): each one is done by a program of this project, and
//! counts only with a record that names what went in and what came out. [`score`] and [`select`] decide
//! what is trained on, [`pairs`] what else comes of the verdicts, [`report`] what is said in the end. [`tasks`] makes the tasks of the quickstart.
//! Start at [`settings`], then `rounds/experiment.rs`.
//!
//! Nothing here prints, starts a process or knows a tensor: whoever runs the programs is a
//! [`rounds::Runner`].

mod error;
pub mod pairs;
pub mod report;
pub mod rounds;
pub mod score;
pub mod select;
pub mod settings;
pub mod tasks;

pub use error::ExpertError;
