//! The verb `gpu`: everything for minutes on a machine with a card, in one program.
//!
//! `pack` gathers what such a machine needs; `run` goes through stages there. A stage is a process of
//! its own that says a line of JSON before and after every case, so that a case that brings the card
//! down costs itself only, and a machine that is taken away leaves what was measured. Next:
//! `command.rs`, then `supervisor.rs`.

mod code;
mod command;
mod curves;
mod fixtures;
mod generation;
mod learning;
mod loading;
mod model;
mod pack;
mod packages;
mod stages;
mod supervisor;
mod table;
mod training;

pub(crate) use command::{Arguments, run};
