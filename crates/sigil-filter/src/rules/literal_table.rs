//! Drops tables.

use super::rule::{Evidence, Rule, check_share, settings};
use crate::facts::TreeFacts;
use crate::{Reason, RuleSetError};

settings! {
    /// Drops rows with a long array, and rows that are mostly literals.
    pub struct LiteralTable {

        /// Elements of one array.
        pub max_elements: usize = 500,
        /// Bytes of literals, of all bytes.
        pub max_share: f64 = 0.5,
    }
}

impl Rule for LiteralTable {
    fn by_tree(&self, _: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        let (elements, limit) = (facts.longest_array, self.max_elements);
        if elements > limit {
            return Some(Reason::measured("literal_table", elements as f64, limit as f64));
        }
        let (share, limit) =
            (facts.literal_bytes as f64 / facts.bytes.max(1) as f64, self.max_share);
        (share > limit).then(|| Reason::measured("literal_table", share, limit))
    }

    fn validate(&self) -> Result<(), RuleSetError> {
        check_share("literal_table", "max_share", self.max_share)
    }
}
