//! Counts in a sample's tokens: functions, documentation, `unwrap`, `unsafe`, idioms.
//!
//! Comments and strings never count as code, which regular expressions over the text get wrong. No
//! opinion on quality: what a lint says is in `../judge/diagnostics.rs`.

use serde::{Deserialize, Serialize};

use super::lexer::{Token, TokenKind, tokens};

/// What a text holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Lines that are not blank and not comments alone.
    pub code_lines: u32,
    /// `fn` items and methods.
    pub functions: u32,
    /// `struct` items.
    pub structs: u32,
    /// `impl` blocks.
    pub impls: u32,
    /// `trait` items.
    pub traits: u32,
    /// Documentation comments.
    pub doc_comments: u32,
    /// `#[test]` or `#[cfg(test)]`.
    pub test_attributes: u32,
    /// `unsafe`.
    pub unsafe_words: u32,
    /// Calls of `unwrap` or `expect`.
    pub unwraps: u32,
    /// Whether there is a `main`.
    pub has_main: bool,
    /// Which of the eight idioms of [`Facts::IDIOMS`] occur.
    pub idioms: Vec<String>,
}

impl Facts {
    /// The idioms looked for: types that say what can fail, `?`, iterator adapters, derives, trait
    /// implementations, `match`, `if let` / `while let`.
    pub const IDIOMS: [&'static str; 8] = [
        "result",
        "option",
        "question_mark",
        "iterator",
        "derive",
        "trait_impl",
        "match",
        "if_let",
    ];

    /// Counts.
    pub fn of(source: &str) -> Self {
        let all = tokens(source);
        let code: Vec<&Token> = all.iter().filter(|token| !token.is_comment()).collect();
        let text = |index: usize| code.get(index).map_or("", |token: &&Token| token.text(source));
        let mut facts = Self {
            code_lines: code_lines(source, &code),
            doc_comments: all.iter().filter(|t| t.kind == TokenKind::DocComment).count() as u32,
            ..Self::default()
        };
        let mut seen = [false; Self::IDIOMS.len()];
        for (index, token) in code.iter().enumerate() {
            let (before, next) = (index.checked_sub(1).map_or("", text), text(index + 1));
            if token.kind != TokenKind::Word {
                match token.kind {
                    TokenKind::Punct('?') if before == ")" || before == "]" => seen[2] = true,
                    TokenKind::Punct('?') if is_name(before) => seen[2] = true,
                    _ => {}
                }
                continue;
            }
            match token.text(source) {
                "fn" if is_name(next) => {
                    facts.functions += 1;
                    facts.has_main |= next == "main";
                }
                "struct" if is_name(next) => facts.structs += 1,
                "trait" if is_name(next) => facts.traits += 1,
                "impl" if !matches!(before, "(" | ":" | "," | "&" | ">" | "<" | "=") => {
                    facts.impls += 1;
                    seen[5] |= implements_trait(source, &code[index..]);
                }
                "unsafe" => facts.unsafe_words += 1,
                "unwrap" | "expect" if before == "." && next == "(" => facts.unwraps += 1,
                "Result" if next == "<" => seen[0] = true,
                "Option" if next == "<" => seen[1] = true,
                "map" | "filter" | "fold" | "collect" | "filter_map" | "flat_map" | "zip"
                | "any" | "all" | "sum"
                    if before == "." =>
                {
                    seen[3] = true;
                }
                "derive" if before == "[" => seen[4] = true,
                "match" => seen[6] = true,
                "let" if matches!(before, "if" | "while") => seen[7] = true,
                "test"
                    if before == "["
                        || (before == "(" && text(index.saturating_sub(2)) == "cfg") =>
                {
                    facts.test_attributes += 1;
                }
                _ => {}
            }
        }
        facts.idioms = Self::IDIOMS
            .iter()
            .zip(seen)
            .filter(|(_, seen)| *seen)
            .map(|(name, _)| (*name).to_owned())
            .collect();
        facts
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c == '_' || c.is_alphabetic())
}

/// Whether the impl block that begins here has a `for` before its body.
fn implements_trait(source: &str, code: &[&Token]) -> bool {
    code.iter()
        .map(|token| token.text(source))
        .take_while(|text| *text != "{" && *text != "where")
        .any(|text| text == "for")
}

fn code_lines(source: &str, code: &[&Token]) -> u32 {
    let mut lines = std::collections::BTreeSet::new();
    let mut line = 0usize;
    let mut at = 0;
    for token in code {
        line += source[at..token.span.start].matches('\n').count();
        let last = line + token.text(source).matches('\n').count();
        lines.extend(line..=last);
        line = last;
        at = token.span.end;
    }
    lines.len() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_do_not_count() {
        let facts = Facts::of("// fn a() unsafe\nconst S: &str = \"fn b() .unwrap() match\";\n");
        assert_eq!(facts, Facts { code_lines: 1, ..Facts::default() });
    }

    #[test]
    fn what_regular_expressions_missed_counts() {
        let source = "/// d\n#[derive(Debug)]\nstruct A<T>(T);\nimpl<T> Iterator for A<T> { fn next(&mut self) -> Option<u8> { match self.0.x()? { _ => None } } }\n\
            fn f(v: impl Into<u8>) -> Result<Vec<u8>, ()> { Ok(v.iter().map(g).collect::<Vec<_>>()) }\n#[cfg(test)] mod t { #[test] fn u() { x.unwrap(); } }";
        let facts = Facts::of(source);
        assert_eq!((facts.functions, facts.structs, facts.impls, facts.doc_comments), (3, 1, 1, 1));
        assert_eq!((facts.test_attributes, facts.unwraps, facts.has_main), (2, 1, false));
        let seen: Vec<&str> = facts.idioms.iter().map(String::as_str).collect();
        assert_eq!(
            seen,
            ["result", "option", "question_mark", "iterator", "derive", "trait_impl", "match"]
        );
    }
}
