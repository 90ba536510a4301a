//! Drops bindings to foreign code.

use super::rule::{Evidence, Rule, check_share, settings};
use crate::facts::TreeFacts;
use crate::{Reason, RuleSetError};

settings! {
    /// Drops rows that are mostly declarations of foreign functions, and what `bindgen` writes.
    pub struct Bindings {

        /// Foreign functions, of all functions.
        pub max_share: f64 = 0.5,
        /// Fewer foreign functions are not judged.
        pub min_foreign: usize = 5,
    }
}

impl Rule for Bindings {
    fn by_tree(&self, _: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        let foreign = facts.foreign_functions;
        let share = foreign as f64 / (foreign + facts.functions).max(1) as f64;
        let mostly = foreign >= self.min_foreign && share > self.max_share;
        (mostly || facts.generated_bindings > 0)
            .then(|| Reason::measured("bindings", share, self.max_share))
    }

    fn validate(&self) -> Result<(), RuleSetError> {
        check_share("bindings", "max_share", self.max_share)
    }
}
