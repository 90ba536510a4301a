//! The syntax tree: parsing within limits, and one walk that turns a tree into facts.
//!
//! The tree never leaves this module; what leaves are [`TreeFacts`](crate::TreeFacts). Nothing here
//! recurses. Next: `parse.rs`, then `walk.rs`.

mod facts;
mod kinds;
mod marks;
mod opinion;
mod parse;
mod regions;
mod trivial;
mod visit;
mod walk;

pub(crate) use facts::tree_facts;
pub(crate) use opinion::opinion_name;
pub(crate) use parse::{Parsed, TreeParser};
pub(crate) use walk::Walked;
