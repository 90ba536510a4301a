//! Drops rows that ignore errors.

use super::rule::{Evidence, Rule, check_range, settings};
use crate::facts::TreeFacts;
use crate::{Reason, RuleSetError};

settings! {
    /// Drops rows with many `.unwrap()` and `.expect(..)` for their functions, outside tests and `main`.
    pub struct UnwrapDensity {

        /// Calls per function; p95 of hand-written files is 1.3.
        pub max_per_function: f64 = 1.5,
        /// Fewer are not judged.
        pub min_count: usize = 4,
    }
}

impl Rule for UnwrapDensity {
    fn by_tree(&self, _: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        let count = facts.unwraps + facts.expects;
        let functions = facts.functions_outside_tests.max(1) as f64;
        let (density, limit) = (count as f64 / functions, self.max_per_function);
        let judged = count >= self.min_count;
        (judged && density > limit).then(|| Reason::measured("unwrap_density", density, limit))
    }

    fn validate(&self) -> Result<(), RuleSetError> {
        check_range("unwrap_density", "max_per_function", self.max_per_function, 0.0, 1000000.0)
    }
}
