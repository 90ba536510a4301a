//! Drops rows without logic.

use super::rule::{Evidence, Rule, check_share, settings};
use crate::facts::TreeFacts;
use crate::{Reason, RuleSetError};

settings! {
    /// Drops rows in which nearly all functions only return a field, a constant or nothing.
    pub struct TrivialBodies {

        /// Of the functions outside tests.
        pub max_share: f64 = 0.9,
        /// Rows with fewer functions are not judged.
        pub min_functions: usize = 4,
    }
}

impl Rule for TrivialBodies {
    fn by_tree(&self, _: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        let (trivial, all) = (facts.trivial_functions, facts.functions_outside_tests);
        let (share, limit) = (trivial as f64 / all.max(1) as f64, self.max_share);
        let judged = all >= self.min_functions;
        (judged && share > limit).then(|| Reason::measured("trivial_bodies", share, limit))
    }

    fn validate(&self) -> Result<(), RuleSetError> {
        check_share("trivial_bodies", "max_share", self.max_share)
    }
}
