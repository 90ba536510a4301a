//! Drops short rows.

use super::rule::{Evidence, Gate, Rule, settings};
use crate::Reason;

settings! {
    /// Drops rows with fewer characters.
    pub struct TooShort {

        /// Unicode scalar values; the predecessor counted the same.
        pub min_chars: usize = 64,
    }
}

impl Rule for TooShort {
    fn by_bytes(&self, evidence: &Evidence<'_>) -> Gate {
        let (chars, limit) = (evidence.text.chars, self.min_chars);
        Gate::decided(
            (chars < limit).then(|| Reason::measured("too_short", chars as f64, limit as f64)),
        )
    }
}
