//! Drops rows with hardly any code.

use super::rule::{Evidence, Rule, check_share, settings};
use crate::facts::TreeFacts;
use crate::{Reason, RuleSetError};

settings! {
    /// Drops rows that are nearly all comments; documented Rust reaches 0.9.
    pub struct MostlyComments {

        /// Bytes of comments, of all bytes.
        pub max_share: f64 = 0.92,
    }
}

impl Rule for MostlyComments {
    fn by_tree(&self, _: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        let (share, limit) =
            (facts.comment_bytes as f64 / facts.bytes.max(1) as f64, self.max_share);
        (share > limit).then(|| Reason::measured("mostly_comments", share, limit))
    }

    fn validate(&self) -> Result<(), RuleSetError> {
        check_share("mostly_comments", "max_share", self.max_share)
    }
}
