//! Drops what programs wrote.

use super::rule::{Evidence, Rule, settings};
use crate::Reason;
use crate::facts::TreeFacts;

settings! {
    /// Drops rows that say so in the comments before their code.
    pub struct GeneratedCode {}
}

impl Rule for GeneratedCode {
    fn by_tree(&self, _: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        let marker = facts.generated_marker;
        marker.map(|span| Reason::named("generated_code").at(Some(span)))
    }
}
