//! Drops code with debugging left in.

use super::rule::{Evidence, Rule, settings};
use crate::Reason;
use crate::facts::TreeFacts;

settings! {
    /// Drops rows with `dbg!` outside tests.
    pub struct DebugMacros {

        /// How many are tolerated.
        pub max_count: usize = 0,
    }
}

impl Rule for DebugMacros {
    fn by_tree(&self, _: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        let (count, limit) = (facts.debug_macros, self.max_count);
        (count > limit).then(|| Reason::measured("debug_macros", count as f64, limit as f64))
    }
}
