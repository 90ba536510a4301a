//! Facts that the syntax tree shows.
//!
//! Everything is counted outside the bodies of macro calls and macro definitions, which the grammar
//! leaves as tokens, except where a field says otherwise. `tree/walk.rs` fills this in.

use super::text::share;
use crate::Span;

/// What a second parser said of a row whose tree has damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum SecondOpinion {
    /// It reads the whole row.
    Accepts,
    /// It finds an error, too.
    Rejects,
    /// The row nests too deeply for a parser that recurses.
    TooDeep,
    /// It could not be asked: no thread could be started, or the row is too long.
    Unavailable,
}

macro_rules! tree_facts {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)*) => {
        /// Counts, spans and depths. Counts have no unit; `*_bytes` are bytes.
        #[derive(Clone, Debug, Default, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[non_exhaustive]
        pub struct TreeFacts {
            $($(#[$doc])* pub $name: $type,)*
        }
    };
}

tree_facts! {
    /// Length of the source.
    bytes: usize,
    /// Nodes that the walk visited; it passes over those that cannot count.
    nodes_visited: usize,
    /// Whether the parse stopped at its limit; nothing else is known then.
    parse_stopped: bool,
    /// Nodes that are errors.
    error_nodes: usize,
    /// Tokens that the parser had to make up.
    missing_nodes: usize,
    /// Bytes inside error nodes.
    error_bytes: usize,
    /// The first error.
    first_error: Option<Span>,
    /// Whether a closing bracket or string end is missing at the end of the source.
    ends_early: bool,
    /// What the second parser said, if it was asked: only where the answer can change the verdict.
    second_opinion: Option<SecondOpinion>,
    /// Depth of the tree.
    depth: usize,

    /// Functions with a body, methods included.
    functions: usize,
    /// Functions outside test code with a body.
    functions_outside_tests: usize,
    /// Structures, enumerations and unions.
    types: usize,
    /// Traits.
    traits: usize,
    /// Implementations, inherent and of traits.
    impls: usize,
    /// Implementations of traits.
    trait_impls: usize,
    /// Modules, and constants, statics and type aliases.
    other_items: usize,
    /// Macro definitions.
    macro_definitions: usize,
    /// Macro calls in the place of items.
    item_macro_calls: usize,
    /// Bytes of macro bodies.
    macro_bytes: usize,
    /// Whether there is a function `main` at the top.
    has_main: bool,

    /// Items that say `pub` without a restriction, are not hidden, and are written out here.
    public_items: usize,
    /// Those of them with documentation.
    documented_public_items: usize,
    /// Documentation comments and `doc` attributes, wherever they stand.
    documentation: usize,

    /// Attributes that make an item a test.
    test_attributes: usize,
    /// Attributes that make an item a benchmark.
    bench_attributes: usize,
    /// Conditions under which an item exists in tests only.
    test_conditions: usize,
    /// Where test code lies, with its attributes and documentation; in order, without overlap.
    test_spans: Vec<Span>,
    /// Where benchmarks lie; in order, without overlap.
    bench_spans: Vec<Span>,

    /// `unsafe { .. }` outside test code.
    unsafe_blocks: usize,
    /// Functions, traits and implementations marked `unsafe`, outside test code.
    unsafe_items: usize,
    /// `extern` blocks.
    foreign_blocks: usize,
    /// Functions declared in `extern` blocks.
    foreign_functions: usize,
    /// `#[repr(C)]`, alone or with more.
    c_layouts: usize,
    /// Names that only a bindings generator writes.
    generated_bindings: usize,

    /// `.unwrap()` outside tests and `main`, also in the arguments of macros.
    unwraps: usize,
    /// `.expect(..)` outside tests and `main`, also in the arguments of macros.
    expects: usize,
    /// `panic!` outside tests and `main`.
    panics: usize,
    /// `todo!` and `unimplemented!` outside tests.
    unfinished: usize,
    /// `dbg!` outside tests.
    debug_macros: usize,
    /// `print!` and its kin outside tests and `main`.
    prints: usize,

    /// `allow` attributes.
    allow_attributes: usize,
    /// Lint names inside them.
    allowed_lints: usize,
    /// A sentence that says that the file was generated, in a comment at its start.
    generated_marker: Option<Span>,

    /// Bytes of all comments.
    comment_bytes: usize,
    /// Lines of comments that document nothing.
    plain_comment_lines: usize,
    /// Those of them that look like code.
    code_comment_lines: usize,
    /// Comments with `TODO`, `FIXME`, `XXX` or `HACK`.
    todo_comments: usize,

    /// Bytes of string and number literals, also inside macro bodies.
    literal_bytes: usize,
    /// Elements of the longest array expression.
    longest_array: usize,
    /// Bytes of string literals that look encoded.
    encoded_bytes: usize,
    /// Bytes of the longest such run.
    longest_encoded: usize,
    /// Where secrets lie, in order; only looked for if the feature `secrets` is on.
    secret_spans: Vec<Span>,

    /// Depth of conditions, matches, loops and closures inside each other.
    nesting: usize,
    /// Functions outside tests that only return a field, a constant or nothing.
    trivial_functions: usize,

    /// Functions that return `Result` or `Option`.
    fallible_functions: usize,
    /// Calls of methods that chain `Result`, `Option` or iterators.
    chained_calls: usize,
    /// `derive` attributes.
    derives: usize,
    /// `?` operators.
    try_operators: usize,
    /// Calls of methods of iterators.
    iterator_calls: usize,
    /// `match`, `if let` and `let .. else`.
    pattern_matches: usize,
    /// Type parameters and `where` clauses.
    generics: usize,
    /// Lifetime parameters.
    lifetimes: usize,
}

impl TreeFacts {
    /// The share of bytes inside error nodes; a made-up token counts as one byte.
    pub fn error_share(&self) -> f64 {
        share(self.error_bytes + self.missing_nodes, self.bytes).min(1.0)
    }

    /// Whether the parser met anything that it could not read.
    pub fn has_damage(&self) -> bool {
        self.error_nodes + self.missing_nodes > 0
    }

    /// The share of public items with documentation; one if there are none.
    pub fn documentation_share(&self) -> f64 {
        if self.public_items == 0 {
            1.0
        } else {
            share(self.documented_public_items, self.public_items)
        }
    }

    /// Bytes of test code and benchmarks.
    pub fn test_bytes(&self) -> usize {
        self.test_spans.iter().map(|span| span.len()).sum()
    }

    /// Items of all kinds, without macro calls.
    pub fn items(&self) -> usize {
        self.functions
            + self.types
            + self.traits
            + self.impls
            + self.other_items
            + self.macro_definitions
            + self.foreign_functions
    }
}
