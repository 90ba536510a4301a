//! Drops rows that say the same again and again.

use super::rule::{Evidence, Gate, Needs, Rule, check_share, settings};
use crate::{Reason, RuleSetError};

settings! {
    /// Drops rows in which many lines repeat an earlier one (OpenCoder: 0.7).
    pub struct DuplicateLines {

        /// Of the lines with at least five characters and a letter or digit.
        pub max_share: f64 = 0.7,
    }
}

impl Rule for DuplicateLines {
    fn needs(&self) -> Needs {
        Needs { duplicate_lines: true, ..Needs::LINES }
    }

    fn by_bytes(&self, evidence: &Evidence<'_>) -> Gate {
        let Some(lines) = &evidence.text.lines else { return Gate::Unknown };
        let (share, limit) = (lines.duplicate_share(), self.max_share);
        Gate::decided((share > limit).then(|| Reason::measured("duplicate_lines", share, limit)))
    }

    fn validate(&self) -> Result<(), RuleSetError> {
        check_share("duplicate_lines", "max_share", self.max_share)
    }
}
