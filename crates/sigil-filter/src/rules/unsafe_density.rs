//! Drops rows that are mostly unsafe.

use super::rule::{Evidence, Rule, check_range, settings};
use crate::facts::TreeFacts;
use crate::{Reason, RuleSetError};

settings! {
    /// Drops rows with many unsafe blocks and items for their functions, outside tests.
    pub struct UnsafeDensity {

        /// Unsafe blocks and items per function.
        pub max_per_function: f64 = 1.0,
        /// Fewer are not judged.
        pub min_count: usize = 5,
    }
}

impl Rule for UnsafeDensity {
    fn by_tree(&self, _: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        let count = facts.unsafe_blocks + facts.unsafe_items;
        let functions = facts.functions_outside_tests.max(1) as f64;
        let (density, limit) = (count as f64 / functions, self.max_per_function);
        let judged = count >= self.min_count;
        (judged && density > limit).then(|| Reason::measured("unsafe_density", density, limit))
    }

    fn validate(&self) -> Result<(), RuleSetError> {
        check_range("unsafe_density", "max_per_function", self.max_per_function, 0.0, 1000000.0)
    }
}
