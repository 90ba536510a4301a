//! Drops code without any documentation: the predecessor's `prefer_documented`.

use super::rule::{Evidence, Gate, Needs, Rule, settings};
use crate::Reason;
use crate::facts::TreeFacts;
use crate::outline::Outline;

settings! {
    /// Drops rows without a documentation comment or `doc` attribute; `////` and addresses are none.
    pub struct NoDocumentation {}
}

impl Rule for NoDocumentation {
    fn needs(&self) -> Needs {
        Needs::FULL_OUTLINE
    }

    fn by_outline(&self, _: &Evidence<'_>, outline: &Outline) -> Gate {
        Gate::decided((outline.documentation == 0).then(|| Reason::named("no_documentation")))
    }

    fn by_tree(&self, _: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        (facts.documentation == 0).then(|| Reason::named("no_documentation"))
    }
}
