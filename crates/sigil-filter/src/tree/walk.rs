//! One walk over a tree, in order and without recursion.
//!
//! Attributes and documentation are siblings in front of their item, so each open node remembers
//! what waits for its next child. Bodies of macros are tokens to the grammar; the walk enters them
//! only to find damage, and passes over what cannot count (`marks.rs`). Next: `visit.rs` for what is
//! counted where.

use tree_sitter::{Node, Tree, TreeCursor};

use super::kinds::{Children, Grammar, Kind};
use super::marks::find_marks;
use crate::Span;
use crate::facts::TreeFacts;
use crate::lex::{Token, Tokens};

/// What the walk brings back.
pub(crate) struct Found {
    pub(crate) facts: TreeFacts,
    pub(crate) macro_definitions: Vec<Span>,
    /// The body of `fn main`.
    pub(crate) main: Option<Span>,
}

/// What a walk is over.
pub(crate) struct Walked<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) grammar: &'a Grammar,
    pub(crate) source: &'a str,
    pub(crate) tokens: &'a Tokens,
    /// Whether brackets match and strings end by the tokens.
    pub(crate) clean: bool,
}

/// Walks over a tree. `marks` is a buffer.
pub(crate) fn walk(over: &Walked<'_>, marks: &mut Vec<u32>) -> Found {
    find_marks(&over.tokens.all, over.source, marks);
    let damaged = over.tree.root_node().has_error();
    let mut cursor = over.tree.walk();
    let mut walk = Walk {
        grammar: over.grammar,
        source: over.source,
        tokens: &over.tokens.all,
        marks,
        may_pass: over.clean,
        damaged,
        facts: TreeFacts::default(),
        open: Vec::with_capacity(64),
        aside: over.tree.walk(),
        macro_definitions: Vec::new(),
        main: None,
        nesting: 0,
        tests: 0,
        foreign: 0,
        counted_until: 0,
    };
    loop {
        let node = cursor.node();
        let (kind, children) = over.grammar.look_up(node);
        if children == Children::None && !damaged {
            walk.token(node);
        } else {
            let descend = walk.enter(node, kind) && !walk.passes(node, children);
            if descend && cursor.goto_first_child() {
                continue;
            }
            walk.leave();
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return Found {
                    facts: walk.facts,
                    macro_definitions: walk.macro_definitions,
                    main: walk.main,
                };
            }
            walk.leave();
        }
    }
}

/// What waits for the next sibling that is neither comment nor attribute.
#[derive(Clone, Copy, Default)]
pub(super) struct Pending {
    pub(super) start: Option<usize>,
    pub(super) documented: bool,
    pub(super) hidden: bool,
    pub(super) test: bool,
    pub(super) bench: bool,
}

/// A node on the way from the root to where the walk is.
pub(super) struct Open {
    pub(super) kind: Kind,
    pub(super) pending: Pending,
    pub(super) nests: bool,
    pub(super) test: bool,
    pub(super) foreign: bool,
}

pub(super) struct Walk<'a> {
    pub(super) grammar: &'a Grammar,
    pub(super) source: &'a str,
    pub(super) tokens: &'a [Token],
    /// Places of marks from where the walk is on.
    marks: &'a [u32],
    /// Whether anything may be passed over: tokens are as the grammar sees them.
    may_pass: bool,
    /// Whether the tree has an error or a token that was made up.
    pub(super) damaged: bool,
    pub(super) facts: TreeFacts,
    pub(super) open: Vec<Open>,
    /// For looks at children of the node at hand.
    pub(super) aside: TreeCursor<'a>,
    pub(super) macro_definitions: Vec<Span>,
    pub(super) main: Option<Span>,
    pub(super) nesting: usize,
    /// How many open nodes are test code, and how many are `extern` blocks.
    pub(super) tests: usize,
    pub(super) foreign: usize,
    /// End of the errors whose bytes are counted.
    counted_until: usize,
}

impl<'a> Walk<'a> {
    /// Counts a node without children in a tree without damage.
    fn token(&mut self, node: Node<'_>) {
        self.facts.nodes_visited += 1;
        self.facts.depth = self.facts.depth.max(self.open.len() + 1);
        let pending = self.take_pending();
        if pending.test || pending.bench {
            self.test_region(node, pending);
        }
    }

    /// Whether the node, which is open, can be left without a look at its children: nothing inside
    /// counts, and none lies deeper than what was seen.
    ///
    /// Below the marked kinds a node has at least two children, but for three at most on any way down
    /// (a pattern of a match, a parameter, a token with a name of its own), so `n` nodes are at most
    /// `n / 2 + 2` deep.
    fn passes(&mut self, node: Node<'_>, children: Children) -> bool {
        let (after_start, before_end) = match children {
            Children::Marked => (0, 0),
            Children::MarkedAfterStart => (1, 0),
            Children::MarkedBeforeEnd => (0, 1),
            Children::None | Children::Visited => return false,
        };
        if !self.may_pass {
            return false;
        }
        let start = node.start_byte();
        // Nodes come in the order of their starts, so what lies before this one is done with.
        while let [mark, rest @ ..] = self.marks
            && (*mark as usize) < start
        {
            self.marks = rest;
        }
        let (start, end) = (start + after_start, node.end_byte() - before_end);
        let next = self.marks.iter().map(|&mark| mark as usize).find(|&mark| mark >= start);
        next.is_none_or(|mark| mark >= end)
            && !(self.damaged && node.has_error())
            && self.open.len() + node.descendant_count() / 2 < self.facts.depth
    }

    /// Counts a node and opens it; says whether its children matter.
    fn enter(&mut self, node: Node<'a>, kind: Kind) -> bool {
        self.facts.nodes_visited += 1;
        let mut open =
            Open { kind, pending: Pending::default(), nests: false, test: false, foreign: false };
        let mut descend = true;
        if kind == Kind::Other {
            if !self.damaged {
                // Then no node is an error, and none was made up.
            } else if node.is_error() {
                self.error(node);
            } else if node.is_missing() {
                self.facts.missing_nodes += 1;
                let start = node.start_byte();
                self.facts.first_error.get_or_insert(Span { start, end: start });
                let rest = self.source.get(start..).unwrap_or_default();
                self.facts.ends_early |= rest.trim().is_empty();
            }
            let pending = self.take_pending();
            if pending.test || pending.bench {
                self.test_region(node, pending);
                open.test = true;
            }
        } else {
            match kind {
                Kind::LineComment | Kind::BlockComment => {
                    self.comment(node);
                    descend = false;
                }
                Kind::AttributeItem | Kind::InnerAttributeItem => {
                    self.attribute(node, kind == Kind::InnerAttributeItem);
                    descend = self.damaged && node.has_error();
                }
                _ => {
                    let pending = self.take_pending();
                    descend = self.node(node, kind, pending, &mut open);
                }
            }
        }
        self.nesting += usize::from(open.nests);
        self.facts.nesting = self.facts.nesting.max(self.nesting);
        self.tests += usize::from(open.test);
        self.foreign += usize::from(open.foreign);
        self.open.push(open);
        self.facts.depth = self.facts.depth.max(self.open.len());
        descend
    }

    fn leave(&mut self) {
        if let Some(open) = self.open.pop() {
            self.nesting -= usize::from(open.nests);
            self.tests -= usize::from(open.test);
            self.foreign -= usize::from(open.foreign);
        }
    }

    pub(super) fn parent(&self) -> Kind {
        self.open.last().map_or(Kind::Other, |open| open.kind)
    }

    fn take_pending(&mut self) -> Pending {
        // Whatever waits has a start.
        let waiting = self.open.last_mut().filter(|open| open.pending.start.is_some());
        waiting.map(|open| std::mem::take(&mut open.pending)).unwrap_or_default()
    }

    fn error(&mut self, node: Node<'_>) {
        self.facts.error_nodes += 1;
        let span = Span { start: node.start_byte(), end: node.end_byte() };
        // An error inside an error lies within bytes that are counted already.
        if span.end > self.counted_until {
            self.facts.error_bytes += span.end - span.start.max(self.counted_until);
            self.counted_until = span.end;
        }
        self.facts.first_error.get_or_insert(span);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lex::lex;
    use crate::outline::{Extent, outline};
    use crate::tree::{Parsed, TreeParser};

    /// The facts of a walk that passes over what it may, and of one that visits every node; nothing for
    /// sources that have damage, because their tokens and their tree may differ.
    fn both(source: &str) -> Option<(TreeFacts, TreeFacts)> {
        let mut parser = TreeParser::new();
        let mut tokens = Tokens::default();
        lex(source, &mut tokens);
        let clean = outline(&tokens, source, &mut Vec::new(), Extent::Full).clean;
        let Parsed::Tree(tree) = parser.parse(source, usize::MAX) else { return None };
        if !clean || tree.root_node().has_error() {
            return None;
        }
        let facts = |clean| {
            let grammar = &parser.grammar;
            let over = Walked { tree: &tree, grammar, source, tokens: &tokens, clean };
            walk(&over, &mut Vec::new()).facts
        };
        Some((facts(true), facts(false)))
    }

    /// Checks that both walks found the same.
    fn check(source: &str) -> bool {
        let Some((quick, mut all)) = both(source) else { return false };
        assert!(quick.nodes_visited <= all.nodes_visited);
        all.nodes_visited = quick.nodes_visited;
        assert_eq!(quick, all, "{source}");
        true
    }

    /// Expressions, statements and items, each with something that counts or that looks like it.
    const PIECES: [&str; 34] = [
        "a.map(b)",
        "x?",
        "f(|x| x)",
        "f(|x||y| x)",
        "[1, [2, 3, 4]]",
        "if let A = b { c } else { d }",
        "if a && let B = c { d }",
        "match a { B if let C = d => 1, E(f) | G => [2, 3], _ => 4 }",
        "f::<Box<dyn for<'a> F<'a>>>(x)",
        "vec![1, [2]]",
        "g(&mut [1])",
        "a || b",
        "a | b",
        "loop { break (1, 2); }",
        "S { a: 1, b, ..[c][0] }",
        "{ let A = b else { return }; c }",
        "{ #[cfg(test)] let a = [1]; a }",
        "unsafe { a.b.iter::<u8>() }",
        "async move { b.await }",
        "a as fn(&u8) -> [u8; 4]",
        "(a, true, -1.5e3)",
        "a.b.c[1][2]",
        "\"{|?[#\"",
        "/* { */ a // c\n",
        "{ move || y }",
        "{ for i in [1, 2] {} }",
        "{ const A: [u8; 2] = [1, 2]; A }",
        "{ fn g<'a, T: B<U>>(x: &'a T) -> Option<T> where T: C { x } g }",
        "{ struct A<'a, const N: usize>(&'a [u8; N]); 1 }",
        "{ enum A { B, C { d: u8 }, E = 1 } 2 }",
        "{ use a::{b, c}; d }",
        "a\n    .filter_map(r#b)",
        "!a",
        "{ type A<T> = Box<dyn Fn(T) -> T>; 3 }",
    ];

    /// What joins them.
    const JOINTS: [&str; 6] = [";\n", " + ", " || ", " == ", ", ", ";\nlet z = "];

    #[test]
    fn real_sources_have_the_same_facts_either_way() {
        for source in [
            include_str!("walk.rs"),
            include_str!("visit.rs"),
            include_str!("../session.rs"),
            include_str!("../lex/scan.rs"),
            include_str!("../outline/scan.rs"),
            include_str!("../rules/rule_set.rs"),
        ] {
            assert!(check(source));
        }
        for piece in PIECES {
            assert!(check(&format!("fn a() {{ {piece}; }}")), "the grammar rejects {piece}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn any_code_has_the_same_facts_either_way(
            parts in prop::collection::vec((0..PIECES.len(), 0..JOINTS.len()), 1..12),
        ) {
            let body: String = parts.iter().flat_map(|(p, j)| [PIECES[*p], JOINTS[*j]]).collect();
            check(&format!("fn a() {{ let q = (w({body}1)); {body}1 }}"));
            check(&format!("fn a() {{ {body}1; }}"));
        }
    }
}
