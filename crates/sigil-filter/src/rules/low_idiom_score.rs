//! Drops code that uses little of the language.

use super::rule::{Evidence, Rule, check_range, settings};
use crate::facts::TreeFacts;
use crate::{Reason, RuleSetError};

settings! {
    /// Drops rows with a low score: the mean number of idioms per function, each kind counted up to twice.
    pub struct LowIdiomScore {

        /// The least score.
        pub min_score: f64 = 0.5,
        /// Rows with fewer functions are not judged.
        pub min_functions: usize = 4,
    }
}

impl Rule for LowIdiomScore {
    fn by_tree(&self, _: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        let functions = facts.functions_outside_tests;
        let (score, limit) = (idiom_score(facts), self.min_score);
        let judged = functions >= self.min_functions;
        (judged && score < limit).then(|| Reason::measured("low_idiom_score", score, limit))
    }

    fn validate(&self) -> Result<(), RuleSetError> {
        check_range("low_idiom_score", "min_score", self.min_score, 0.0, 100.0)
    }
}

/// Idioms per function. A kind that occurs more than twice per function tells no more than twice.
fn idiom_score(facts: &TreeFacts) -> f64 {
    let functions = facts.functions.max(1);
    let kinds = [
        facts.try_operators,
        facts.iterator_calls,
        facts.chained_calls,
        facts.pattern_matches,
        facts.fallible_functions,
        facts.trait_impls,
        facts.derives,
        facts.generics,
        facts.lifetimes,
    ];
    let counted: usize = kinds.iter().map(|&count| count.min(2 * functions)).sum();
    counted as f64 / functions as f64
}
