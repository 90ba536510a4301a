//! Recognises items by their first tokens. Nothing here counts; `scan.rs` does.
//!
//! All functions take the code tokens (no comments) and a position, and look ahead only.

use crate::lex::{Token, TokenKind};

/// Whether the name at `at` is the given keyword.
pub(crate) fn is_keyword(code: &[Token], at: usize, source: &str, keyword: &str) -> bool {
    code.get(at).is_some_and(|t| t.kind == TokenKind::Name && t.text(source) == keyword)
}

fn is_name(code: &[Token], at: usize) -> bool {
    code.get(at).is_some_and(|t| matches!(t.kind, TokenKind::Name | TokenKind::RawName))
}

/// What follows `pub`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Public {
    /// An item that can be documented here.
    Item,
    /// A module written out here; the position is that of its opening brace.
    Module(usize),
    /// Something else: a field, an import, a module in another file, a restricted item.
    Other,
}

/// Says what the `pub` at `at` makes public.
pub(crate) fn public_item(code: &[Token], at: usize, source: &str) -> Public {
    let mut at = at + 1;
    // Modifiers may come in any legal order; each is skipped only where an item can still follow.
    while let Some(token) = code.get(at) {
        let text = if token.kind == TokenKind::Name { token.text(source) } else { "" };
        let item = match text {
            "const"
                if is_keyword(code, at + 1, source, "_") || is_plain_name(code, at + 1, source) =>
            {
                true
            }
            "const" | "async" | "unsafe" | "default" | "safe" => {
                at += 1;
                continue;
            }
            "extern" => {
                if is_keyword(code, at + 1, source, "crate") {
                    return Public::Other;
                }
                let named = code
                    .get(at + 1)
                    .is_some_and(|t| matches!(t.kind, TokenKind::Text | TokenKind::RawText));
                at += if named { 2 } else { 1 };
                continue;
            }
            "mod" if is_name(code, at + 1) => {
                return match code.get(at + 2) {
                    Some(open) if open.is(b'{') => Public::Module(at + 2),
                    _ => Public::Other,
                };
            }
            "static" => is_name(code, at + 1),
            "fn" | "struct" | "enum" | "trait" | "type" => is_name(code, at + 1),
            "union" => {
                is_name(code, at + 1)
                    && code.get(at + 2).is_some_and(|t| {
                        t.is(b'{') || t.is(b'<') || is_keyword(code, at + 2, source, "where")
                    })
            }
            _ => false,
        };
        return if item { Public::Item } else { Public::Other };
    }
    Public::Other
}

/// A name that is no modifier of a function.
fn is_plain_name(code: &[Token], at: usize, source: &str) -> bool {
    is_name(code, at)
        && !["fn", "unsafe", "extern", "async"]
            .iter()
            .any(|word| is_keyword(code, at, source, word))
}

/// Whether the `impl` at `at` stands where an item can.
pub(crate) fn starts_item(code: &[Token], at: usize, source: &str, after_attribute: bool) -> bool {
    let Some(before) = at.checked_sub(1) else { return true };
    let token = code[before];
    match token.kind {
        TokenKind::Mark => {
            matches!(token.byte, b'}' | b';' | b'{') || (token.byte == b']' && after_attribute)
        }
        TokenKind::Name => matches!(token.text(source), "unsafe" | "default"),
        _ => false,
    }
}

/// Whether the `impl` at `at` names a trait: `impl<..> Trait for Type`.
pub(crate) fn implements_trait(code: &[Token], at: usize, source: &str) -> bool {
    let mut at = at + 1;
    while let Some(token) = code.get(at) {
        match token.kind {
            TokenKind::Mark if matches!(token.byte, b'(' | b'[') => at = skip_group(code, at),
            TokenKind::Mark if token.byte == b'{' => {
                // A brace after `<`, `,` or `=` is a constant argument, any other the body.
                let argument = [b'<', b',', b'='].iter().any(|&mark| code[at - 1].is(mark));
                if !argument {
                    return false;
                }
                at = skip_group(code, at);
            }
            TokenKind::Mark if token.byte == b';' => return false,
            TokenKind::Name => {
                let text = token.text(source);
                if text == "for" && !code.get(at + 1).is_some_and(|next| next.is(b'<')) {
                    return true;
                }
                if text == "where" {
                    return false;
                }
                at += 1;
            }
            _ => at += 1,
        }
    }
    false
}

/// Whether the function whose name is at `at` returns `Result` or `Option` by that name.
pub(crate) fn returns_fallible(code: &[Token], at: usize, source: &str) -> bool {
    let mut at = at + 1;
    if code.get(at).is_some_and(|token| token.is(b'<')) {
        at = skip_generics(code, at);
    }
    if !code.get(at).is_some_and(|token| token.is(b'(')) {
        return false;
    }
    at = skip_group(code, at);
    let arrow =
        code.get(at).is_some_and(|t| t.is(b'-')) && code.get(at + 1).is_some_and(|t| t.is(b'>'));
    if !arrow {
        return false;
    }
    at += 2;
    let mut last = "";
    while let Some(token) = code.get(at) {
        match token.kind {
            TokenKind::Name if matches!(token.text(source), "impl" | "dyn" | "where" | "fn") => {
                break;
            }
            TokenKind::Name => last = token.text(source),
            TokenKind::Mark if token.byte == b':' => {}
            _ => break,
        }
        at += 1;
    }
    is_fallible(last)
}

/// Whether a type of this name says that there may be no value.
pub(crate) fn is_fallible(name: &str) -> bool {
    matches!(name, "Result" | "Option")
}

/// Gives the position after the group that opens at `at`, or the end.
pub(crate) fn skip_group(code: &[Token], mut at: usize) -> usize {
    let mut open = 0_usize;
    while let Some(token) = code.get(at) {
        at += 1;
        if token.kind == TokenKind::Mark {
            match token.byte {
                b'(' | b'[' | b'{' => open += 1,
                b')' | b']' | b'}' => {
                    open = open.saturating_sub(1);
                    if open == 0 {
                        return at;
                    }
                }
                _ => {}
            }
        }
    }
    at
}

/// Gives the position after the `<..>` that opens at `at`, or where a body or the end comes first.
fn skip_generics(code: &[Token], mut at: usize) -> usize {
    let mut open = 0_usize;
    while let Some(token) = code.get(at) {
        if token.kind == TokenKind::Mark {
            match token.byte {
                b'<' => open += 1,
                b'>' if !(code[at - 1].is(b'-') || code[at - 1].is(b'=')) => {
                    open = open.saturating_sub(1);
                    if open == 0 {
                        return at + 1;
                    }
                }
                b'(' | b'[' | b'{' => {
                    at = skip_group(code, at);
                    continue;
                }
                b')' | b']' | b'}' | b';' => return at,
                _ => {}
            }
        }
        at += 1;
    }
    at
}
