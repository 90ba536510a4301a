//! Drops long rows.

use super::rule::{Evidence, Gate, Rule, settings};
use crate::Reason;

settings! {
    /// Drops rows with more characters.
    pub struct TooLong {

        /// Unicode scalar values; the predecessor counted the same.
        pub max_chars: usize = 200_000,
    }
}

impl Rule for TooLong {
    fn by_bytes(&self, evidence: &Evidence<'_>) -> Gate {
        let (chars, limit) = (evidence.text.chars, self.max_chars);
        Gate::decided(
            (chars > limit).then(|| Reason::measured("too_long", chars as f64, limit as f64)),
        )
    }
}
