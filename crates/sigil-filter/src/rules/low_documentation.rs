//! Drops libraries that explain little.

use super::rule::{Evidence, Gate, Needs, Rule, check_share, settings};
use crate::facts::TreeFacts;
use crate::outline::Outline;
use crate::{Reason, RuleSetError};

settings! {
    /// Drops rows in which too few public items have documentation.
    pub struct LowDocumentation {

        /// Of the items that say `pub`, are not hidden and are written out here.
        pub min_share: f64 = 0.3,
        /// Rows with fewer public items are not judged.
        pub min_items: usize = 3,
    }
}

impl Rule for LowDocumentation {
    fn needs(&self) -> Needs {
        Needs::FULL_OUTLINE
    }

    fn by_outline(&self, _: &Evidence<'_>, outline: &Outline) -> Gate {
        let (all, documented) = (outline.public_items, outline.documented_public_items);
        if all < self.min_items || all == 0 {
            return Gate::Pass;
        }
        let (share, limit) = (documented as f64 / all as f64, self.min_share);
        Gate::decided((share < limit).then(|| Reason::measured("low_documentation", share, limit)))
    }

    fn by_tree(&self, _: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        let (share, limit) = (facts.documentation_share(), self.min_share);
        let judged = facts.public_items >= self.min_items;
        (judged && share < limit).then(|| Reason::measured("low_documentation", share, limit))
    }

    fn validate(&self) -> Result<(), RuleSetError> {
        check_share("low_documentation", "min_share", self.min_share)
    }
}
