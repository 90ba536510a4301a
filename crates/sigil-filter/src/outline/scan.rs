//! Builds an outline in one pass over the tokens, with a stack of open brackets.
//!
//! Next: `items.rs` for how items are recognised.

use super::items::{self, Public};
use super::{Outline, is_chained, is_test_macro};
use crate::lex::{Token, TokenKind, Tokens};
use crate::reading::{Attribute, has_debt, is_print, read_attribute};

/// Keywords after which `!` is the operator, not a macro call.
const OPERATOR_BEFORE: [&str; 17] = [
    "if", "while", "match", "return", "in", "else", "break", "move", "as", "where", "for", "impl",
    "let", "mut", "const", "static", "yield",
];

/// How much of the outline is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Attributes only: whether there are tests and benchmarks.
    Attributes,
    /// Everything.
    Full,
}

/// Outlines the tokens of `source`. `code` is a buffer for the tokens without comments.
pub(crate) fn outline(
    tokens: &Tokens,
    source: &str,
    code: &mut Vec<Token>,
    extent: Extent,
) -> Outline {
    let mut scan = Scan {
        source,
        extent,
        outline: Outline::default(),
        open: Vec::new(),
        macros: 0,
        definitions: 0,
        pending: Pending::default(),
    };
    code.clear();
    // Where each documentation comment stands among the code tokens: before the token of that index.
    let mut outer = Vec::new();
    let mut inner = Vec::new();
    for token in &tokens.all {
        match token.kind {
            TokenKind::OuterDoc => outer.push(code.len()),
            TokenKind::InnerDoc => inner.push(code.len()),
            TokenKind::Comment => {}
            _ => {
                code.push(*token);
                continue;
            }
        }
        scan.outline.todo_comments += usize::from(has_debt(token.text(source)));
    }
    scan.outline.documentation_comments = outer.len() + inner.len();
    scan.outline.documentation = scan.outline.documentation_comments;
    let balanced = scan.run(code, &outer, &inner);
    scan.outline.clean = balanced && !tokens.unterminated;
    scan.outline
}

/// Documentation and attributes that wait for their item.
#[derive(Default)]
struct Pending {
    documented: bool,
    hidden: bool,
    attribute: bool,
}

struct Open {
    closing: u8,
    /// The body of a macro call or definition.
    body: bool,
    /// The body of a macro definition.
    definition: bool,
}

struct Scan<'a> {
    source: &'a str,
    extent: Extent,
    outline: Outline,
    open: Vec<Open>,
    macros: usize,
    definitions: usize,
    pending: Pending,
}

/// What the next bracket opens.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coming {
    Plain,
    Call(usize),
    Definition(usize),
}

impl Scan<'_> {
    /// Goes through all code; says whether the brackets match.
    fn run(&mut self, code: &[Token], outer: &[usize], inner: &[usize]) -> bool {
        let mut outer = outer.iter().peekable();
        let mut coming = Coming::Plain;
        let mut at = 0;
        while let Some(&token) = code.get(at) {
            while outer.next_if(|&&place| place <= at).is_some() {
                self.pending.documented = true;
            }
            if token.kind == TokenKind::Name && self.macros == 0 {
                if self.extent == Extent::Full {
                    self.name(code, at, inner);
                }
                self.pending = Pending::default();
            } else if token.kind == TokenKind::Mark {
                match token.byte {
                    b'#' if self.macros == 0 => {
                        if let Some(after) = self.attribute(code, at) {
                            at = after;
                            continue;
                        }
                    }
                    b'!' => {
                        coming = self.after_exclamation(code, at);
                        if self.definitions == 0 {
                            self.macro_call(code, at, coming);
                        }
                    }
                    b'(' | b'[' | b'{' => {
                        let (body, definition) = match coming {
                            Coming::Call(place) => (place == at, false),
                            Coming::Definition(place) => (place == at, place == at),
                            Coming::Plain => (false, false),
                        };
                        self.macros += usize::from(body);
                        self.definitions += usize::from(definition);
                        let closing = match token.byte {
                            b'(' => b')',
                            b'[' => b']',
                            _ => b'}',
                        };
                        self.open.push(Open { closing, body, definition });
                        self.outline.depth = self.outline.depth.max(self.open.len());
                    }
                    b')' | b']' | b'}' => {
                        let Some(open) = self.open.pop().filter(|open| open.closing == token.byte)
                        else {
                            return false;
                        };
                        self.macros -= usize::from(open.body);
                        self.definitions -= usize::from(open.definition);
                    }
                    b'.' if self.macros == 0 && self.extent == Extent::Full => {
                        self.method(code, at);
                    }
                    _ => {}
                }
                self.pending = Pending::default();
            } else {
                self.pending = Pending::default();
            }
            at += 1;
        }
        self.outline.unclosed = !self.open.is_empty();
        self.open.is_empty()
    }

    /// Reads the attribute at `#`, and gives the position after it.
    fn attribute(&mut self, code: &[Token], at: usize) -> Option<usize> {
        let inner = code.get(at + 1).is_some_and(|token| token.is(b'!'));
        let open = at + 1 + usize::from(inner);
        if !code.get(open).is_some_and(|token| token.is(b'[')) {
            return None;
        }
        let after = items::skip_group(code, open);
        let attribute = read_attribute(code.get(open + 1..after - 1)?, self.source);
        self.count(attribute);
        if !inner {
            self.pending.documented |= attribute.documents;
            self.pending.hidden |= attribute.hides;
            self.pending.attribute = true;
        }
        // Unbalanced brackets inside show at the end: the group then ran to the end of the code.
        let closed = code.get(after - 1).is_some_and(|token| token.is(b']'));
        if !closed {
            self.open.push(Open { closing: b']', body: false, definition: false });
        }
        Some(after)
    }

    fn count(&mut self, attribute: Attribute) {
        let outline = &mut self.outline;
        outline.test_attributes += usize::from(attribute.test);
        outline.bench_attributes += usize::from(attribute.bench);
        outline.test_conditions += usize::from(attribute.test_condition);
        outline.bench_conditions += usize::from(attribute.bench_condition);
        outline.derives += usize::from(attribute.derives);
        outline.allow_attributes += usize::from(attribute.allows);
        outline.documentation += usize::from(attribute.documents);
    }

    /// Says what bracket the macro call at `!` opens.
    fn after_exclamation(&self, code: &[Token], at: usize) -> Coming {
        let Some(before) = at.checked_sub(1).map(|before| code[before]) else {
            return Coming::Plain;
        };
        let name = before.text(self.source);
        let names = match before.kind {
            TokenKind::RawName => true,
            TokenKind::Name => !OPERATOR_BEFORE.contains(&name),
            _ => false,
        };
        let opens = |at: usize| {
            code.get(at).is_some_and(|token| token.is(b'(') || token.is(b'[') || token.is(b'{'))
        };
        if !names {
            Coming::Plain
        } else if name == "macro_rules" && opens(at + 2) {
            Coming::Definition(at + 2)
        } else if opens(at + 1) {
            Coming::Call(at + 1)
        } else {
            Coming::Plain
        }
    }

    fn macro_call(&mut self, code: &[Token], at: usize, coming: Coming) {
        if let Coming::Call(_) = coming {
            match code[at - 1].text(self.source) {
                name if is_test_macro(name) && self.macros == 0 => {
                    self.outline.test_attributes += 1
                }
                "dbg" => self.outline.debug_macros += 1,
                name if is_print(name) => self.outline.prints += 1,
                _ => {}
            }
        }
    }

    fn method(&mut self, code: &[Token], at: usize) {
        let Some(name) = code.get(at + 1).filter(|token| token.kind == TokenKind::Name) else {
            return;
        };
        let mark = |ahead: usize, byte: u8| code.get(at + ahead).is_some_and(|t| t.is(byte));
        let called = mark(2, b'(') || (mark(2, b':') && mark(3, b':') && mark(4, b'<'));
        // The second dot of a range is no field access.
        let range = at > 0 && code[at - 1].is(b'.');
        if called && !range && is_chained(name.text(self.source)) {
            self.outline.chained_calls += 1;
        }
    }

    fn name(&mut self, code: &[Token], at: usize, inner: &[usize]) {
        match code[at].text(self.source) {
            "pub" => self.public(code, at, inner),
            "unsafe" if code.get(at + 1).is_some_and(|next| next.is(b'{')) => {
                self.outline.unsafe_blocks += 1;
            }
            "impl" if items::starts_item(code, at, self.source, self.pending.attribute) => {
                let of_trait = items::implements_trait(code, at, self.source);
                self.outline.trait_impls += usize::from(of_trait);
            }
            "fn" => {
                let named = code
                    .get(at + 1)
                    .is_some_and(|t| matches!(t.kind, TokenKind::Name | TokenKind::RawName));
                if named {
                    let fallible = items::returns_fallible(code, at + 1, self.source);
                    self.outline.fallible_functions += usize::from(fallible);
                    self.outline.has_main |=
                        self.open.is_empty() && code[at + 1].text(self.source) == "main";
                }
            }
            _ => {}
        }
    }

    fn public(&mut self, code: &[Token], at: usize, inner: &[usize]) {
        let public = items::public_item(code, at, self.source);
        if public == Public::Other || self.pending.hidden {
            return;
        }
        self.outline.public_items += 1;
        let documented_inside = match public {
            Public::Module(open) => inner.binary_search(&(open + 1)).is_ok(),
            _ => false,
        };
        if self.pending.documented || documented_inside {
            self.outline.documented_public_items += 1;
        }
    }
}
