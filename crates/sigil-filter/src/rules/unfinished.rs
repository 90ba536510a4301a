//! Drops code that is not written yet.

use super::rule::{Evidence, Rule, settings};
use crate::Reason;
use crate::facts::TreeFacts;

settings! {
    /// Drops rows with `todo!` and `unimplemented!` outside tests.
    pub struct Unfinished {

        /// How many are tolerated.
        pub max_count: usize = 0,
    }
}

impl Rule for Unfinished {
    fn by_tree(&self, _: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        let (count, limit) = (facts.unfinished, self.max_count);
        (count > limit).then(|| Reason::measured("unfinished", count as f64, limit as f64))
    }
}
