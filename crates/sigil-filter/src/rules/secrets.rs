//! Drops rows with credentials, or takes the credentials out.

use super::rule::{Evidence, Rule, settings};
use crate::facts::TreeFacts;
use crate::{Edit, Reason};

const ID: &str = "secrets";

settings! {
    /// Drops rows with credentials in string literals.
    pub struct Secrets {
        /// Whether the row is kept and each credential replaced instead.
        pub redact: bool = false,
    }
}

impl Rule for Secrets {
    fn by_tree(&self, _: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        let first = facts.secret_spans.first().copied();
        let count = facts.secret_spans.len();
        (count > 0 && !self.redact).then(|| Reason::measured(ID, count as f64, 0.0).at(first))
    }

    fn edit(&self, facts: &TreeFacts, edits: &mut Vec<Edit>) {
        if self.redact {
            let spans = facts.secret_spans.iter().copied();
            edits.extend(spans.map(|span| Edit { rule: ID, span, replacement: "<redacted>" }));
        }
    }
}
