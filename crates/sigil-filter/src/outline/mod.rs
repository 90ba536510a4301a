//! The outline of a row: what its tokens and brackets alone show, without a parse.
//!
//! It exists to decide cheaply. Every number in it has a namesake in
//! [`TreeFacts`](crate::TreeFacts), and wherever [`Outline::clean`] holds the two must agree: the
//! tests compare them over real code, and `cargo xtask bench-filter` over its whole corpus. Where
//! the outline is not clean, nothing is concluded from it. Next: `scan.rs`.

#[cfg(any(test, feature = "syn"))]
mod guard;
mod items;
mod scan;

#[cfg(feature = "syn")]
pub(crate) use guard::recursion_bound;
pub(crate) use items::is_fallible;
pub(crate) use scan::{Extent, outline};

/// What tokens and brackets show; see the fields of the same name in the tree's facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outline {
    /// All brackets close in order, and every string and comment ends.
    pub(crate) clean: bool,
    /// Brackets are left open at the end, and none closes that was not open.
    pub(crate) unclosed: bool,
    /// Documentation comments and attributes.
    pub(crate) documentation: usize,
    pub(crate) documentation_comments: usize,
    pub(crate) public_items: usize,
    pub(crate) documented_public_items: usize,
    pub(crate) test_attributes: usize,
    pub(crate) bench_attributes: usize,
    pub(crate) test_conditions: usize,
    pub(crate) bench_conditions: usize,
    pub(crate) unsafe_blocks: usize,
    pub(crate) allow_attributes: usize,
    pub(crate) todo_comments: usize,
    pub(crate) debug_macros: usize,
    pub(crate) prints: usize,
    pub(crate) has_main: bool,
    pub(crate) trait_impls: usize,
    pub(crate) fallible_functions: usize,
    pub(crate) chained_calls: usize,
    pub(crate) derives: usize,
    /// The deepest nesting of brackets.
    pub(crate) depth: usize,
}

impl Outline {
    /// Whether the row holds test code.
    pub(crate) fn has_tests(&self) -> bool {
        self.test_attributes + self.test_conditions > 0
    }

    /// Whether the row holds benchmarks.
    pub(crate) fn has_benches(&self) -> bool {
        self.bench_attributes + self.bench_conditions > 0
    }
}

/// Methods that chain `Result`, `Option` or iterators without leaving them.
pub(crate) fn is_chained(method: &str) -> bool {
    matches!(
        method,
        "unwrap_or"
            | "unwrap_or_else"
            | "unwrap_or_default"
            | "map"
            | "map_err"
            | "map_or"
            | "map_or_else"
            | "and_then"
            | "or_else"
            | "ok_or"
            | "ok_or_else"
    )
}

/// Macros whose bodies are tests.
pub(crate) fn is_test_macro(name: &str) -> bool {
    matches!(name, "proptest" | "quickcheck" | "rusty_fork_test")
}
