//! How deep a parser that recurses could get on these tokens.
//!
//! A bracket is not the only thing that nests: `!!!!x`, `a = b = c`, `|a| |b| c`, `&&&&T` and
//! `A<B<C>>` recurse as well. The bound counts, in every open bracket, all tokens since the last
//! separator that could start something nested, and adds them up along the open brackets. It may be
//! far too high, never too low by more than a constant factor, and costs one pass.

use crate::lex::{Token, TokenKind};

/// Names that can be followed by a nested expression, type or item without a bracket.
const NESTING: [&str; 24] = [
    "else", "if", "match", "while", "for", "loop", "return", "break", "yield", "become", "move",
    "async", "await", "let", "mut", "ref", "dyn", "impl", "fn", "as", "in", "where", "unsafe",
    "const",
];

/// One open bracket: what may nest in it, and how many `<` wait for their `>`.
#[derive(Default)]
struct Level {
    count: usize,
    angles: usize,
}

/// Gives the greatest number of constructs that can be open at once.
pub(crate) fn recursion_bound(tokens: &[Token], source: &str) -> usize {
    let mut open = vec![Level::default()];
    let (mut all, mut most) = (0_usize, 0_usize);
    let mut after_brace = false;
    let mut last = 0;
    for token in tokens.iter().filter(|token| !token.is_comment()) {
        let mark = (token.kind == TokenKind::Mark).then_some(token.byte);
        let name = (token.kind == TokenKind::Name).then(|| token.text(source));
        // After `}` a statement or item ends unless an operator or `else` goes on.
        let goes_on = match (mark, name) {
            (Some(mark), _) => mark != b'#',
            (_, Some(name)) => matches!(name, "else" | "as"),
            _ => false,
        };
        let ends = (after_brace && !goes_on) || mark == Some(b';');
        if let Some(level) = open.last_mut() {
            // A comma inside `A<B, A<B, ..` ends nothing.
            let stays = match (ends, mark) {
                (true, _) => 0,
                (false, Some(b',')) => level.angles.min(level.count),
                _ => level.count,
            };
            all -= level.count - stays;
            level.count = stays;
            match mark {
                _ if ends => level.angles = 0,
                Some(b'<') => level.angles += 1,
                Some(b'>') if !matches!(last, b'-' | b'=') => {
                    level.angles = level.angles.saturating_sub(1);
                }
                _ => {}
            }
        }
        after_brace = mark == Some(b'}');
        last = mark.unwrap_or(0);
        match mark {
            Some(b'(' | b'[' | b'{') => {
                open.push(Level { count: 1, angles: 0 });
                all += 1;
            }
            Some(b')' | b']' | b'}') => {
                if open.len() > 1 {
                    all -= open.pop().map_or(0, |level| level.count);
                }
            }
            Some(b',' | b';' | b'.' | b'?' | b'#') => {}
            _ => {
                let nests = mark.is_some()
                    || token.kind == TokenKind::Lifetime
                    || name.is_some_and(|name| NESTING.contains(&name));
                if nests && let Some(level) = open.last_mut() {
                    level.count += 1;
                    all += 1;
                }
            }
        }
        most = most.max(all);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lex::{Tokens, lex};

    fn bound(source: &str) -> usize {
        let mut tokens = Tokens::default();
        lex(source, &mut tokens);
        recursion_bound(&tokens.all, source)
    }

    #[test]
    fn everything_that_recurses_counts() {
        for part in [
            "!",
            "&",
            "- ",
            "(",
            "[",
            "|x| ",
            "a = ",
            "A<",
            "A<B, ",
            "if a {} else ",
            "return ",
            "S {} = ",
            "fn() -> ",
            "&'a ",
        ] {
            assert!(bound(&part.repeat(1000)) >= 1000, "{part}");
        }
    }

    #[test]
    fn code_in_sequence_does_not_add_up() {
        let code = "fn a<T: B>(x: &T) -> Vec<u8> { if x.y() { z(&x)?; } let a = b - c; a }\n";
        assert!(bound(&code.repeat(1000)) < 40);
    }
}
