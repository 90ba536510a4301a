//! Drops rows that switch many warnings off.

use super::rule::{Evidence, Rule, settings};
use crate::Reason;
use crate::facts::TreeFacts;

settings! {
    /// Drops rows with many lints named in `allow` attributes; `expect` is honest and does not count.
    pub struct SuppressedLints {

        /// Lint names in all `allow` attributes.
        pub max_lints: usize = 8,
    }
}

impl Rule for SuppressedLints {
    fn by_tree(&self, _: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        let (count, limit) = (facts.allowed_lints, self.max_lints);
        (count > limit).then(|| Reason::measured("suppressed_lints", count as f64, limit as f64))
    }
}
