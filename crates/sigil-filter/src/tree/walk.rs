//! One walk over a tree, in order and without recursion.
//!
//! Attributes and documentation are siblings in front of their item, so each open node remembers
//! what waits for its next child. Bodies of macros are tokens to the grammar; the walk enters them
//! only to find damage. Next: `visit.rs` for what is counted where.

use tree_sitter::{Node, Tree};

use super::kinds::{Grammar, Kind};
use crate::Span;
use crate::facts::TreeFacts;
use crate::lex::{Token, Tokens};

/// What the walk brings back.
pub(crate) struct Walked {
    pub(crate) facts: TreeFacts,
    pub(crate) macro_definitions: Vec<Span>,
    /// The body of `fn main`.
    pub(crate) main: Option<Span>,
}

/// Walks over `tree`, which was parsed from `source`.
pub(crate) fn walk(tree: &Tree, grammar: &Grammar, source: &str, tokens: &Tokens) -> Walked {
    let mut walk = Walk {
        grammar,
        source,
        tokens: &tokens.all,
        facts: TreeFacts::default(),
        open: Vec::with_capacity(64),
        macro_definitions: Vec::new(),
        main: None,
        nesting: 0,
        tests: 0,
        foreign: 0,
        counted_until: 0,
    };
    let mut cursor = tree.walk();
    loop {
        let descend = walk.enter(cursor.node());
        if descend && cursor.goto_first_child() {
            continue;
        }
        walk.leave();
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return Walked {
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
    pub(super) facts: TreeFacts,
    pub(super) open: Vec<Open>,
    pub(super) macro_definitions: Vec<Span>,
    pub(super) main: Option<Span>,
    pub(super) nesting: usize,
    /// How many open nodes are test code, and how many are `extern` blocks.
    pub(super) tests: usize,
    pub(super) foreign: usize,
    /// End of the errors whose bytes are counted.
    counted_until: usize,
}

impl Walk<'_> {
    /// Counts a node and opens it; says whether its children matter.
    fn enter(&mut self, node: Node<'_>) -> bool {
        self.facts.nodes_visited += 1;
        let kind = self.grammar.kind(node);
        let mut open =
            Open { kind, pending: Pending::default(), nests: false, test: false, foreign: false };
        let mut descend = true;
        if kind == Kind::Other {
            if node.is_error() {
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
                    descend = node.has_error();
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
        self.open.last_mut().map(|open| std::mem::take(&mut open.pending)).unwrap_or_default()
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
