//! Drops rows with a line of data.

use super::rule::{Evidence, Gate, Needs, Rule, settings};
use crate::Reason;

settings! {
    /// Drops rows with a longer line (The Stack: 1000).
    pub struct LongLine {

        /// Unicode scalar values without the line end.
        pub max_chars: usize = 1_000,
    }
}

impl Rule for LongLine {
    fn needs(&self) -> Needs {
        Needs::LINES
    }

    fn by_bytes(&self, evidence: &Evidence<'_>) -> Gate {
        let Some(lines) = &evidence.text.lines else { return Gate::Unknown };
        let (chars, limit) = (lines.longest_chars, self.max_chars);
        Gate::decided(
            (chars > limit).then(|| Reason::measured("long_line", chars as f64, limit as f64)),
        )
    }
}
