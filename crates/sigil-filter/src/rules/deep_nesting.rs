//! Drops code that nests deeply.

use super::rule::{Evidence, Rule, settings};
use crate::Reason;
use crate::facts::TreeFacts;

settings! {
    /// Drops rows with deep nesting of conditions, matches, loops and closures.
    pub struct DeepNesting {

        /// Constructs inside each other; `else if` does not add.
        pub max_depth: usize = 9,
    }
}

impl Rule for DeepNesting {
    fn by_tree(&self, _: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        let (count, limit) = (facts.nesting, self.max_depth);
        (count > limit).then(|| Reason::measured("deep_nesting", count as f64, limit as f64))
    }
}
