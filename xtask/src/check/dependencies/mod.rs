//! What the workspace depends on, as cargo resolves it, judged by deny.toml.
//!
//! Licences, bans and sources need no network beyond the package registry. Advisories are judged
//! from a dated list in the repository (`advisories.tsv`); `cargo deny check advisories` reads the
//! same deny.toml where the live database can be reached. Start in `judge.rs`.

mod advisories;
mod feature_sets;
mod graph;
mod judge;
mod policy;
mod spdx;

pub(crate) use advisories::{AdvisoriesError, Advisory, rewrite};
pub(crate) use feature_sets::feature_sets;
pub(crate) use graph::{Graph, GraphError, Package, Reach};
pub(crate) use judge::{Judgement, judge};
pub(crate) use policy::{Policy, PolicyError};
pub(crate) use spdx::Expression;
