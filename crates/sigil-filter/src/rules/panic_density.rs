//! Drops rows that panic.

use super::rule::{Evidence, Rule, check_range, settings};
use crate::facts::TreeFacts;
use crate::{Reason, RuleSetError};

settings! {
    /// Drops rows with many `panic!` for their functions, outside tests and `main`.
    pub struct PanicDensity {

        /// Calls per function.
        pub max_per_function: f64 = 0.5,
        /// Fewer are not judged.
        pub min_count: usize = 3,
    }
}

impl Rule for PanicDensity {
    fn by_tree(&self, _: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        let count = facts.panics;
        let functions = facts.functions_outside_tests.max(1) as f64;
        let (density, limit) = (count as f64 / functions, self.max_per_function);
        let judged = count >= self.min_count;
        (judged && density > limit).then(|| Reason::measured("panic_density", density, limit))
    }

    fn validate(&self) -> Result<(), RuleSetError> {
        check_range("panic_density", "max_per_function", self.max_per_function, 0.0, 1000000.0)
    }
}
