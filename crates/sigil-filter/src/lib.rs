//! Says what a piece of Rust code is, and whether it is worth training on. It reads no data sets.
//!
#![doc = include_str!("../README.md")]
//!
//! # Where to read on in the source
//!
//! [`Filter`] and [`Session`] are the way in (`filter.rs`, `session.rs`). A row goes through `lex`,
//! `outline` and `tree` as far as it must; `rules` says what is worth training on.
//!
//! Architecture invariant: this crate reads no file, prints nothing, keeps no global state and no
//! clock enters a verdict. Whatever the bytes, judging ends with a verdict.

mod digest;
mod error;
mod facts;
mod filter;
mod lex;
mod outline;
mod reading;
mod row;
pub mod rules;
mod session;
mod span;
pub mod telemetry;
mod tree;
mod verdict;

pub use digest::Digest;
pub use error::RuleSetError;
pub use facts::{CharacterFacts, Facts, LineFacts, SecondOpinion, TextFacts, TreeFacts};
pub use filter::Filter;
pub use row::Row;
pub use rules::RuleSet;
pub use session::{Session, StageTimes};
pub use span::Span;
pub use verdict::{Edit, Mode, Reason, Stage, Verdict};
