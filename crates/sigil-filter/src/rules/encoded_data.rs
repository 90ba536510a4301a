//! Drops data in strings.

use super::rule::{Evidence, Rule, check_share, settings};
use crate::facts::TreeFacts;
use crate::{Reason, RuleSetError};

settings! {
    /// Drops rows with a long run of base64 or hexadecimal digits in a string literal (The Stack v2: 1024).
    pub struct EncodedData {

        /// Bytes of one run.
        pub max_run: usize = 1_024,
        /// Bytes of all runs, of all bytes.
        pub max_share: f64 = 0.5,
    }
}

impl Rule for EncodedData {
    fn by_tree(&self, _: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        let (run, limit) = (facts.longest_encoded, self.max_run);
        if run > limit {
            return Some(Reason::measured("encoded_data", run as f64, limit as f64));
        }
        let (share, limit) =
            (facts.encoded_bytes as f64 / facts.bytes.max(1) as f64, self.max_share);
        (share > limit).then(|| Reason::measured("encoded_data", share, limit))
    }

    fn validate(&self) -> Result<(), RuleSetError> {
        check_share("encoded_data", "max_share", self.max_share)
    }
}
