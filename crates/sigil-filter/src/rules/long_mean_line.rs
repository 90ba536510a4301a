//! Drops rows whose lines are long on the whole.

use super::rule::{Evidence, Gate, Needs, Rule, settings};
use crate::Reason;

settings! {
    /// Drops rows with a longer mean line (The Stack: 100).
    pub struct LongMeanLine {

        /// Unicode scalar values without the line end, over all lines.
        pub max_chars: f64 = 100.0,
    }
}

impl Rule for LongMeanLine {
    fn needs(&self) -> Needs {
        Needs::LINES
    }

    fn by_bytes(&self, evidence: &Evidence<'_>) -> Gate {
        let Some(lines) = &evidence.text.lines else { return Gate::Unknown };
        let (mean, limit) = (lines.mean_chars, self.max_chars);
        Gate::decided((mean > limit).then(|| Reason::measured("long_mean_line", mean, limit)))
    }
}
