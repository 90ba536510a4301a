//! Drops rows that are not text.

use super::rule::{Evidence, Gate, Needs, Rule, check_share, settings};
use crate::{Reason, RuleSetError};

settings! {
    /// Drops rows with a smaller share of letters (StarCoder2: 0.25).
    pub struct FewLetters {

        /// Letters of any script, of all characters.
        pub min_share: f64 = 0.25,
    }
}

impl Rule for FewLetters {
    fn needs(&self) -> Needs {
        Needs::CHARACTERS
    }

    fn by_bytes(&self, evidence: &Evidence<'_>) -> Gate {
        let Some(characters) = &evidence.text.characters else { return Gate::Unknown };
        let (share, limit) = (characters.alphabetic_share(), self.min_share);
        Gate::decided((share < limit).then(|| Reason::measured("few_letters", share, limit)))
    }

    fn validate(&self) -> Result<(), RuleSetError> {
        check_share("few_letters", "min_share", self.min_share)
    }
}
