//! Drops rows that were cut off.

use super::rule::{Evidence, Rule, settings};
use crate::Reason;
use crate::facts::TreeFacts;

settings! {
    /// Drops rows that end inside a bracket, a string or a comment.
    pub struct Truncated {}
}

impl Rule for Truncated {
    fn by_tree(&self, _: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        (facts.has_damage() && facts.ends_early)
            .then(|| Reason::named("truncated").at(facts.first_error))
    }
}
