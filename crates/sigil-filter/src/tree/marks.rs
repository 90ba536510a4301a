//! Places where something that the walk counts can begin, found by tokens, so that the walk can pass
//! over what has none: nine of ten nodes are names, types, patterns and plain expressions.
//!
//! A mark too many costs a visit, a mark too few a fact. So each construct that is counted below the
//! kinds that `kinds.rs` lists as marked has a token that no other way of writing it lacks:
//!
//! | counted | mark |
//! |---|---|
//! | blocks, `match`, `if`, loops, `unsafe`, items, `let .. else` | `{` |
//! | macro calls | `!` before a bracket |
//! | `?` operators | `?` |
//! | attributes | `#` |
//! | calls of methods | what follows `.name`: `(` or `::` |
//! | closures | a bar that follows no operand |
//! | arrays | `[` that follows no operand |
//! | conditions `let` | `let` |
//! | lifetimes of `for<..>` | `<` after `for` |
//!
//! Where a comment stands between the tokens, there is a mark. Next: `walk.rs`.

use crate::lex::{Token, TokenKind};

/// Names before a bracket or bar that are no operands.
const NO_OPERANDS: [&str; 27] = [
    "if", "while", "match", "return", "in", "else", "break", "move", "as", "where", "for", "impl",
    "let", "mut", "const", "static", "yield", "become", "box", "ref", "dyn", "async", "raw", "gen",
    "do", "try", "unsafe",
];

/// Fills `into` with the places of all marks, in order.
pub(super) fn find_marks(tokens: &[Token], source: &str, into: &mut Vec<u32>) {
    into.clear();
    for (at, token) in tokens.iter().enumerate() {
        let marked = match token.kind {
            TokenKind::Mark => is_mark(tokens, at, source),
            TokenKind::Name => {
                token.byte == b'l' && token.end - token.start == 3 && token.text(source) == "let"
            }
            _ => false,
        };
        if marked {
            into.push(token.start);
        }
    }
}

fn is_mark(tokens: &[Token], at: usize, source: &str) -> bool {
    let before = |count: usize| at.checked_sub(count).map(|at| tokens[at]);
    let comment = |token: Option<Token>| token.is_some_and(Token::is_comment);
    match tokens[at].byte {
        b'{' | b'?' | b'#' => true,
        b'(' | b':' => {
            comment(before(1))
                || (before(1).is_some_and(is_name)
                    && (comment(before(2)) || before(2).is_some_and(|token| token.is(b'.'))))
        }
        b'!' => tokens.get(at + 1).is_some_and(|next| {
            next.is(b'(') || next.is(b'[') || next.is(b'{') || next.is_comment()
        }),
        b'[' => !before(1).is_some_and(|token| is_operand(token, source)),
        b'|' => !follows_operand(tokens, at, source),
        b'<' => {
            comment(before(1))
                || before(1).is_some_and(|t| t.kind == TokenKind::Name && t.text(source) == "for")
        }
        _ => false,
    }
}

fn is_name(token: Token) -> bool {
    matches!(token.kind, TokenKind::Name | TokenKind::RawName)
}

/// Whether an expression or pattern can end with the token.
fn is_operand(token: Token, source: &str) -> bool {
    match token.kind {
        TokenKind::Name => !NO_OPERANDS.contains(&token.text(source)),
        TokenKind::RawName
        | TokenKind::Number
        | TokenKind::Text
        | TokenKind::RawText
        | TokenKind::Character => true,
        TokenKind::Mark => token.byte == b')',
        _ => false,
    }
}

/// Whether the bar at `at` is an operator: alone, or the second of `||`.
fn follows_operand(tokens: &[Token], at: usize, source: &str) -> bool {
    let operand =
        |at: usize| at.checked_sub(1).is_some_and(|before| is_operand(tokens[before], source));
    let second = at
        .checked_sub(1)
        .filter(|&first| tokens[first].is(b'|') && tokens[first].end == tokens[at].start);
    operand(at) || second.is_some_and(operand)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lex::{Tokens, lex};

    fn marked(source: &str) -> String {
        let (mut tokens, mut places) = (Tokens::default(), Vec::new());
        lex(source, &mut tokens);
        find_marks(&tokens.all, source, &mut places);
        let at = |place: &u32| source[*place as usize..].chars().next().unwrap_or(' ');
        places.iter().map(at).collect()
    }

    #[test]
    fn what_is_counted_has_a_mark() {
        for (source, marks) in [
            ("a.map(b)", "("),
            ("a.b::<u8>()", ":"),
            ("a?", "?"),
            ("f(|x| x)", "|"),
            ("move || 1", "||"),
            ("f(&mut [1])", "["),
            ("x if let A = b", "l"),
            ("vec![1]", "!["),
            ("a./* c */map(b)", "("),
            ("Box<dyn for<'a> F<'a>>", "<"),
        ] {
            assert_eq!(marked(source), marks, "{source}");
        }
    }

    #[test]
    fn plain_code_has_none() {
        for source in [
            "a || b",
            "a | b",
            "x[1]",
            "f(a, b)[2]",
            "a.b.c",
            "f::<T>(x)",
            "!a",
            "a != b",
            "letter",
        ] {
            assert_eq!(marked(source), "", "{source}");
        }
    }
}
