//! What the filter found out about a row, as plain data.
//!
//! Facts hold no opinion; rules do. Next: `text.rs` for what bytes show, `tree.rs` for what the
//! syntax tree shows.

mod lines;
mod text;
mod tree;

pub use text::{CharacterFacts, LineFacts, TextFacts};
pub use tree::{SecondOpinion, TreeFacts};

pub(crate) use lines::line_facts;
pub(crate) use text::{character_facts, count_chars};

/// The facts of one row. In [`Mode::Audit`](crate::Mode::Audit) everything that could be looked at
/// is there.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Facts {
    /// What the text itself shows.
    pub text: TextFacts,
    /// What the syntax tree shows; absent if the row was not parsed.
    pub tree: Option<Box<TreeFacts>>,
}
