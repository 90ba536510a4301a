//! Drops tables of numbers.

use super::rule::{Evidence, Gate, Needs, Rule, check_share, settings};
use crate::{Reason, RuleSetError};

settings! {
    /// Drops rows with a greater share of digits (OpenCoder: 0.2).
    pub struct ManyDigits {

        /// ASCII digits, of all characters.
        pub max_share: f64 = 0.2,
    }
}

impl Rule for ManyDigits {
    fn needs(&self) -> Needs {
        Needs::CHARACTERS
    }

    fn by_bytes(&self, evidence: &Evidence<'_>) -> Gate {
        let Some(characters) = &evidence.text.characters else { return Gate::Unknown };
        let (share, limit) = (characters.digit_share(), self.max_share);
        Gate::decided((share > limit).then(|| Reason::measured("many_digits", share, limit)))
    }

    fn validate(&self) -> Result<(), RuleSetError> {
        check_share("many_digits", "max_share", self.max_share)
    }
}
