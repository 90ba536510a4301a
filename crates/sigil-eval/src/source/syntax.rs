//! What the filter's syntax tree shows of a sample: `unsafe`, `unwrap`, documentation, idioms.
//!
//! The same counts by which training data is chosen, so that a model can be held against its data. Tests
//! and `main` are left out where the filter leaves them out. `facts.rs` counts tokens instead, which also
//! works on what does not parse. No opinion here: rules are in `sigil-filter`.

use serde::{Deserialize, Serialize};
use sigil_filter::{Filter, Row, RuleSet};

/// Counts of one sample's syntax tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyntaxFacts {
    /// Whether the parser met something that it could not read; the counts are of the rest then.
    pub damaged: bool,
    /// `unsafe { .. }` outside tests.
    pub unsafe_blocks: u32,
    /// Functions, traits and implementations marked `unsafe`, outside tests.
    pub unsafe_items: u32,
    /// `.unwrap()` outside tests and `main`.
    pub unwraps: u32,
    /// `.expect(..)` outside tests and `main`.
    pub expects: u32,
    /// `panic!` outside tests and `main`.
    pub panics: u32,
    /// `todo!` and `unimplemented!` outside tests.
    pub unfinished: u32,
    /// Public items.
    pub public_items: u32,
    /// Those of them with documentation.
    pub documented_public_items: u32,
    /// Functions that return `Result` or `Option`.
    pub fallible_functions: u32,
    /// `?` operators.
    pub try_operators: u32,
    /// Calls of methods of iterators.
    pub iterator_calls: u32,
    /// Calls of methods that chain `Result`, `Option` or iterators.
    pub chained_calls: u32,
    /// `match`, `if let` and `let .. else`.
    pub pattern_matches: u32,
    /// `derive` attributes.
    pub derives: u32,
    /// Depth of conditions, matches, loops and closures inside each other.
    pub nesting: u32,
}

impl SyntaxFacts {
    /// The counts of a text; `None` if it is larger than the filter parses.
    pub fn of(text: &str) -> Option<Self> {
        let filter = Filter::new(RuleSet::none()).expect("no rule has no bad setting");
        let verdict = filter.session().audit(&Row::new(text.as_bytes()));
        let tree = verdict.facts.tree.filter(|tree| !tree.parse_stopped)?;
        // A sample has fewer of anything than this.
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Some(Self {
            damaged: tree.has_damage(),
            unsafe_blocks: count(tree.unsafe_blocks),
            unsafe_items: count(tree.unsafe_items),
            unwraps: count(tree.unwraps),
            expects: count(tree.expects),
            panics: count(tree.panics),
            unfinished: count(tree.unfinished),
            public_items: count(tree.public_items),
            documented_public_items: count(tree.documented_public_items),
            fallible_functions: count(tree.fallible_functions),
            try_operators: count(tree.try_operators),
            iterator_calls: count(tree.iterator_calls),
            chained_calls: count(tree.chained_calls),
            pattern_matches: count(tree.pattern_matches),
            derives: count(tree.derives),
            nesting: count(tree.nesting),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_main_are_not_the_sample() {
        let text = "/// Doc.\npub fn f(x: Option<u8>) -> u8 { x.unwrap() }\npub fn g() { unsafe { h() } }\n\
            fn main() { f(None).checked_add(1).unwrap(); }\n\
            #[cfg(test)] mod tests { #[test] fn t() { None::<u8>.unwrap(); unsafe { h() } } }\n";
        let facts = SyntaxFacts::of(text).expect("it is small");
        assert_eq!((facts.unwraps, facts.unsafe_blocks), (1, 1));
        assert_eq!((facts.public_items, facts.documented_public_items), (2, 1));
        assert!(!facts.damaged);
    }

    #[test]
    fn what_does_not_parse_is_counted_as_far_as_it_does_and_marked() {
        let facts = SyntaxFacts::of("fn f() { x.unwrap() }\nfn g( {").expect("it is small");
        assert!(facts.damaged);
        assert_eq!(facts.unwraps, 1);
        assert_eq!(SyntaxFacts::of(""), Some(SyntaxFacts::default()));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in proptest::prelude::any::<String>()) {
            let _ = SyntaxFacts::of(&text);
        }
    }
}
