//! Drops rows that define nothing.

use super::rule::{Evidence, Rule, settings};
use crate::Reason;
use crate::facts::TreeFacts;

settings! {
    /// Drops rows without a function, type, trait, implementation, module, constant or macro.
    pub struct NoItems {}
}

impl Rule for NoItems {
    fn by_tree(&self, _: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        let empty = facts.items() == 0 && facts.item_macro_calls == 0;
        empty.then(|| Reason::named("no_items"))
    }
}
