//! Finds the items at the top level of a Rust text: their kinds, names, places, and the signature of a
//! function.
//!
//! It reads tokens, not syntax: it never fails, and on text that does not compile it gives what can be
//! seen. Next: `facts.rs` counts things, `../task/program.rs` puts programs together.

use std::ops::Range;

use super::lexer::{Token, TokenKind, tokens};

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// A function.
    Function,
    /// A struct or union.
    Struct,
    /// An enum.
    Enum,
    /// A trait.
    Trait,
    /// An impl block.
    Impl,
    /// A module.
    Module,
    /// A `use` or `extern crate`.
    Use,
    /// A constant, static or type alias.
    Value,
    /// A macro definition or call.
    Macro,
    /// An inner attribute.
    InnerAttribute,
    /// Nothing that can begin an item.
    Other,
}

/// An item at the top level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// Its name, where it has one.
    pub name: Option<String>,
    /// Its bytes, attributes and documentation included.
    pub span: Range<usize>,
    /// From its keyword or visibility on, without attributes and documentation.
    pub body: Range<usize>,
    /// Whether its end was seen.
    pub complete: bool,
    /// Whether an attribute tests for `test`.
    pub test_only: bool,
}

/// The items of `source`, in order.
pub fn items(source: &str) -> Vec<Item> {
    let all = tokens(source);
    let code: Vec<&Token> = all.iter().filter(|token| token.kind != TokenKind::Comment).collect();
    let mut reader = Reader { source, code: &code, at: 0 };
    let mut found = Vec::new();
    while reader.at < code.len() {
        found.push(reader.item());
    }
    found
}

struct Reader<'a> {
    source: &'a str,
    code: &'a [&'a Token],
    at: usize,
}

impl Reader<'_> {
    fn word(&self, offset: usize) -> &str {
        match self.code.get(self.at + offset) {
            Some(token) if token.kind == TokenKind::Word => token.text(self.source),
            _ => "",
        }
    }

    fn kind(&self, offset: usize) -> Option<TokenKind> {
        self.code.get(self.at + offset).map(|token| token.kind)
    }

    fn end_of_previous(&self) -> usize {
        self.code[self.at - 1].span.end
    }

    /// Moves behind the bracket that closes the one here; false if there is none.
    fn skip_brackets(&mut self) -> bool {
        let mut depth = 0usize;
        while let Some(kind) = self.kind(0) {
            self.at += 1;
            match kind {
                TokenKind::Open(_) => depth += 1,
                TokenKind::Close(_) => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return true;
                    }
                }
                _ => {}
            }
        }
        false
    }

    fn item(&mut self) -> Item {
        let start = self.code[self.at].span.start;
        let mut test_only = false;
        loop {
            match self.kind(0) {
                Some(TokenKind::DocComment) => self.at += 1,
                Some(TokenKind::Punct('#')) => {
                    let inner = self.kind(1) == Some(TokenKind::Punct('!'));
                    self.at += 1 + usize::from(inner);
                    let from = self.at;
                    let complete =
                        self.kind(0) == Some(TokenKind::Open(b'[')) && self.skip_brackets();
                    if inner || !complete {
                        let kind =
                            if complete { ItemKind::InnerAttribute } else { ItemKind::Other };
                        return self.finish(kind, None, start, start, complete, false);
                    }
                    test_only |= self.code[from..self.at]
                        .iter()
                        .any(|token| token.text(self.source) == "test");
                }
                _ => break,
            }
        }
        let Some(first) = self.code.get(self.at) else {
            return self.finish(ItemKind::Other, None, start, start, false, test_only);
        };
        let body = first.span.start;
        if self.word(0) == "pub" {
            self.at += 1;
            if self.kind(0) == Some(TokenKind::Open(b'(')) {
                self.skip_brackets();
            }
        }
        loop {
            let next = self.word(1);
            let qualifies = match self.word(0) {
                "async" | "default" | "safe" => !next.is_empty(),
                "unsafe" => true,
                "const" => matches!(next, "fn" | "unsafe" | "async" | "extern"),
                "extern" => next != "crate" && self.kind(1) == Some(TokenKind::Literal),
                _ => false,
            };
            if !qualifies {
                break;
            }
            let abi = self.word(0) == "extern";
            self.at += 1 + usize::from(abi);
            if abi && self.kind(0) == Some(TokenKind::Open(b'{')) {
                let complete = self.skip_brackets();
                return self.finish(ItemKind::Other, None, start, body, complete, test_only);
            }
        }
        let name = Some(self.word(1).to_owned()).filter(|name| !name.is_empty());
        let (kind, name, braces_end) = match self.word(0) {
            "fn" => (ItemKind::Function, name, true),
            "struct" | "union" if name.is_some() => (ItemKind::Struct, name, true),
            "enum" => (ItemKind::Enum, name, true),
            "trait" => (ItemKind::Trait, name, true),
            "impl" => (ItemKind::Impl, None, true),
            "mod" => (ItemKind::Module, name, true),
            "use" | "extern" => (ItemKind::Use, None, false),
            "const" | "static" | "type" => {
                let name = if self.word(1) == "mut" { Some(self.word(2).to_owned()) } else { name };
                (ItemKind::Value, name, false)
            }
            "macro_rules" => (ItemKind::Macro, None, true),
            word if !word.is_empty() && self.kind(1) == Some(TokenKind::Punct('!')) => {
                (ItemKind::Macro, None, true)
            }
            _ => {
                self.at += 1;
                let end_kind = ItemKind::Other;
                return self.finish(end_kind, None, start, body, false, test_only);
            }
        };
        let complete = self.skip_item(braces_end);
        self.finish(kind, name, start, body, complete, test_only)
    }

    /// Moves behind the item's `;`, or behind its braces if these end it.
    fn skip_item(&mut self, braces_end: bool) -> bool {
        while let Some(kind) = self.kind(0) {
            match kind {
                TokenKind::Punct(';') => {
                    self.at += 1;
                    return true;
                }
                TokenKind::Open(bracket) => {
                    if !self.skip_brackets() {
                        return false;
                    }
                    if bracket == b'{' && braces_end {
                        return true;
                    }
                }
                TokenKind::Close(_) => return false,
                _ => self.at += 1,
            }
        }
        false
    }

    fn finish(
        &mut self,
        kind: ItemKind,
        name: Option<String>,
        start: usize,
        body: usize,
        complete: bool,
        test_only: bool,
    ) -> Item {
        // Looking ahead may have gone past the end, and an item has at least one token.
        self.at = self.at.min(self.code.len());
        if self.at == 0 || self.end_of_previous() <= start {
            self.at += 1;
        }
        let end = self.end_of_previous();
        Item { kind, name, span: start..end, body: body..end, complete, test_only }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn items_are_found_with_their_ends() {
        let source = "//! doc\n#![allow(x)]\nuse a::{b, c};\n/// d\n#[derive(A)] pub(crate) struct S<T>(T);\n\
            pub const fn f<const N: usize>(a: [u8; { 3 }]) -> u8 { '}'; 1 }\nimpl S<u8> { fn g() {} }\n\
            #[cfg(test)] mod tests { fn h() {} }\nconst A: S = S { a: 1 };\nmacro_rules! m { () => {} }\nfn open() {";
        let found: Vec<_> = items(source)
            .into_iter()
            .map(|item| (item.kind, item.name, item.complete, item.test_only))
            .collect();
        let name = |text: &str| Some(text.to_owned());
        assert_eq!(
            found,
            [
                (ItemKind::InnerAttribute, None, true, false),
                (ItemKind::Use, None, true, false),
                (ItemKind::Struct, name("S"), true, false),
                (ItemKind::Function, name("f"), true, false),
                (ItemKind::Impl, None, true, false),
                (ItemKind::Module, name("tests"), true, true),
                (ItemKind::Value, name("A"), true, false),
                (ItemKind::Macro, None, true, false),
                (ItemKind::Function, name("open"), false, false),
            ]
        );
    }

    proptest! {
        #[test]
        fn any_text_has_items_in_order(source in "[a-z#!\\[\\](){};<>'\"= \n/]{0,120}|(fn|pub|mod|use|;|\\{|\\}|#\\[|\\]| ){0,40}") {
            let mut at = 0;
            for item in items(&source) {
                prop_assert!(item.span.start >= at && item.span.end > item.span.start);
                prop_assert!(item.body.start >= item.span.start);
                at = item.span.end;
            }
        }
    }
}
