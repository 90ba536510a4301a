//! Drops libraries that print.

use super::path::is_program;
use super::rule::{Evidence, Rule, settings};
use crate::Reason;
use crate::facts::TreeFacts;

settings! {
    /// Drops rows with `println!` and its kin, unless they are programs, examples or build scripts.
    pub struct Prints {
        /// How many are tolerated.
        pub max_count: usize = 2,
    }
}

impl Rule for Prints {
    fn by_tree(&self, evidence: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        let program = facts.has_main || is_program(evidence.row.path);
        let (count, limit) = (facts.prints, self.max_count);
        (!program && count > limit).then(|| Reason::measured("prints", count as f64, limit as f64))
    }
}
