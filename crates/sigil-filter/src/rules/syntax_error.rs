//! Drops what is not Rust, without dropping Rust that the grammar does not know.
//!
//! The grammar rejects some stable Rust, so an error in the tree is a question, not an answer: the
//! second parser is asked if it is there (feature `syn`) and the share of errors is one that its answer
//! decides about; its acceptance always settles it.
//! Next: `../tree/opinion.rs`.

use super::rule::{Evidence, Rule, check_share, settings};
use crate::facts::{SecondOpinion, TreeFacts};
use crate::{Reason, RuleSetError};

const ID: &str = "syntax_error";

settings! {
    /// Drops rows of which too much cannot be parsed.
    pub struct SyntaxError {
        /// Share of bytes in errors, if no second parser was asked.
        pub max_share: f64 = 0.05,
        /// Share of bytes in errors, if a second parser rejects the row, too.
        pub max_share_confirmed: f64 = 0.01,
    }
}

impl SyntaxError {
    /// The share of bytes in errors up to which no second opinion changes the verdict.
    pub(crate) fn opinion_above(&self) -> f64 {
        self.max_share.min(self.max_share_confirmed)
    }
}

impl Rule for SyntaxError {
    fn by_tree(&self, _: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        let limit = match facts.second_opinion {
            Some(SecondOpinion::Accepts) => return None,
            Some(SecondOpinion::Rejects) => self.max_share_confirmed,
            _ => self.max_share,
        };
        let share = facts.error_share();
        (share > limit).then(|| Reason::measured(ID, share, limit).at(facts.first_error))
    }

    fn validate(&self) -> Result<(), RuleSetError> {
        check_share(ID, "max_share", self.max_share)?;
        check_share(ID, "max_share_confirmed", self.max_share_confirmed)
    }
}
