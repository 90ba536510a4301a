//! Drops rows full of code that was switched off.

use super::rule::{Evidence, Rule, check_share, settings};
use crate::facts::TreeFacts;
use crate::{Reason, RuleSetError};

settings! {
    /// Drops rows in which many lines of plain comments look like code.
    pub struct CommentedOutCode {

        /// Of the lines of comments that document nothing.
        pub max_share: f64 = 0.3,
        /// Fewer such lines are not judged.
        pub min_lines: usize = 10,
    }
}

impl Rule for CommentedOutCode {
    fn by_tree(&self, _: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        let (code, all) = (facts.code_comment_lines, facts.plain_comment_lines);
        let (share, limit) = (code as f64 / all.max(1) as f64, self.max_share);
        let judged = code >= self.min_lines;
        (judged && share > limit).then(|| Reason::measured("commented_out_code", share, limit))
    }

    fn validate(&self) -> Result<(), RuleSetError> {
        check_share("commented_out_code", "max_share", self.max_share)
    }
}
