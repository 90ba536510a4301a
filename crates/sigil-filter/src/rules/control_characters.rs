//! Drops rows with bytes that editors do not write.

use super::rule::{Evidence, Gate, Needs, Rule, settings};
use crate::Reason;

settings! {
    /// Drops rows with NUL and other control characters.
    pub struct ControlCharacters {

        /// How many are tolerated.
        pub max_count: usize = 0,
    }
}

impl Rule for ControlCharacters {
    fn needs(&self) -> Needs {
        Needs::CHARACTERS
    }

    fn by_bytes(&self, evidence: &Evidence<'_>) -> Gate {
        let Some(characters) = &evidence.text.characters else { return Gate::Unknown };
        let (count, limit) = (characters.control, self.max_count);
        Gate::decided(
            (count > limit)
                .then(|| Reason::measured("control_characters", count as f64, limit as f64)),
        )
    }
}
