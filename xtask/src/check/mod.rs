//! `cargo xtask check`: the promises of docs/architecture.md as rules that fail.
//!
//! A rule reads the tree (every file git would commit) or the dependency graph and adds findings;
//! it repairs nothing and judges no style that rustfmt or clippy already judge. Rules live in
//! [`rules`], one file each with its tests; start in `run.rs`, which holds the list.

mod finding;
mod manifests;
mod run;
mod rust_source;
mod tree;
mod verb;

pub(crate) mod dependencies;
pub(crate) mod rules;

pub(crate) use finding::Finding;
pub(crate) use verb::{
    AdvisoryArguments, CheckArguments, advisories, check, repository, write_defects,
};
