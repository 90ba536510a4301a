//! Drops rows with very few or very many lines.

use super::rule::{Evidence, Gate, Needs, Rule, settings};
use crate::Reason;

settings! {
    /// Drops rows outside a range of lines.
    pub struct LineCount {

        /// Fewest lines.
        pub min_lines: usize = 5,
        /// Most lines.
        pub max_lines: usize = 20_000,
    }
}

impl Rule for LineCount {
    fn needs(&self) -> Needs {
        Needs::LINES
    }

    fn by_bytes(&self, evidence: &Evidence<'_>) -> Gate {
        let Some(lines) = &evidence.text.lines else { return Gate::Unknown };
        let count = lines.count;
        let limit = if count < self.min_lines { self.min_lines } else { self.max_lines };
        let outside = !(self.min_lines..=self.max_lines).contains(&count);
        Gate::decided(outside.then(|| Reason::measured("line_count", count as f64, limit as f64)))
    }
}
