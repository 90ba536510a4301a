//! Drops code with few idioms for its blemishes: the predecessor's `prefer_idiomatic`.
//!
//! The predecessor counted which of six good and four bad patterns occur anywhere in the text. Here
//! the same ten are counted by occurrence, in code only. `.expect(..)` is no idiom, a word such as
//! "hackathon" no debt, and a program may print.

use super::path::is_program;
use super::rule::{Evidence, Gate, Needs, Rule, check_range, settings};
use crate::facts::TreeFacts;
use crate::outline::Outline;
use crate::{Reason, RuleSetError};

const ID: &str = "not_idiomatic";

settings! {
    /// Drops rows without idioms, and rows with too many blemishes beside them.
    pub struct NotIdiomatic {
        /// How many idioms outweigh one blemish.
        pub quality_ratio: f64 = 2.0,
    }
}

struct Counts {
    idioms: usize,
    blemishes: usize,
}

impl NotIdiomatic {
    fn judge(&self, counts: Counts) -> Option<Reason> {
        let (idioms, limit) = (counts.idioms as f64, counts.blemishes as f64 * self.quality_ratio);
        (counts.idioms == 0 || idioms < limit).then(|| Reason::measured(ID, idioms, limit.max(1.0)))
    }
}

impl Rule for NotIdiomatic {
    fn needs(&self) -> Needs {
        Needs::FULL_OUTLINE
    }

    fn by_outline(&self, evidence: &Evidence<'_>, outline: &Outline) -> Gate {
        // What is test code does not count, and only the tree knows where it ends.
        if outline.has_tests() || outline.has_benches() {
            return Gate::Unknown;
        }
        let prints =
            if outline.has_main || is_program(evidence.row.path) { 0 } else { outline.prints };
        Gate::decided(self.judge(Counts {
            idioms: outline.fallible_functions
                + outline.chained_calls
                + outline.derives
                + outline.trait_impls
                + outline.public_items,
            blemishes: outline.todo_comments
                + outline.debug_macros
                + prints
                + outline.unsafe_blocks
                + outline.allow_attributes,
        }))
    }

    fn by_tree(&self, evidence: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        let prints = if facts.has_main || is_program(evidence.row.path) { 0 } else { facts.prints };
        self.judge(Counts {
            idioms: facts.fallible_functions
                + facts.chained_calls
                + facts.derives
                + facts.trait_impls
                + facts.public_items,
            blemishes: facts.todo_comments
                + facts.debug_macros
                + prints
                + facts.unsafe_blocks
                + facts.allow_attributes,
        })
    }

    fn validate(&self) -> Result<(), RuleSetError> {
        check_range(ID, "quality_ratio", self.quality_ratio, 0.0, 1000.0)
    }
}
