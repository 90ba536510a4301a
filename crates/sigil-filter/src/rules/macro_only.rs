//! Drops rows that only call macros.

use super::rule::{Evidence, Rule, check_share, settings};
use crate::facts::TreeFacts;
use crate::{Reason, RuleSetError};

settings! {
    /// Drops rows whose items are macro calls only, and rows that are mostly the bodies of macros.
    pub struct MacroOnly {

        /// Bytes of macro bodies, of all bytes.
        pub max_share: f64 = 0.9,
    }
}

impl Rule for MacroOnly {
    fn by_tree(&self, _: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        let (share, limit) = (facts.macro_bytes as f64 / facts.bytes.max(1) as f64, self.max_share);
        let only = facts.items() == 0 && facts.item_macro_calls > 0;
        (only || share > limit).then(|| Reason::measured("macro_only", share, limit))
    }

    fn validate(&self) -> Result<(), RuleSetError> {
        check_share("macro_only", "max_share", self.max_share)
    }
}
