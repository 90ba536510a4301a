//! Calls that finished code avoids, found by their tokens so that arguments of macros count.
//!
//! The caller says where test code, `main` and macro definitions lie; nothing there is counted
//! except as said below.

use crate::Span;
use crate::lex::{Token, TokenKind};

/// How often each call occurs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CallCounts {
    pub(crate) unwraps: usize,
    pub(crate) expects: usize,
    pub(crate) panics: usize,
    pub(crate) unfinished: usize,
    pub(crate) debug_macros: usize,
    pub(crate) prints: usize,
}

/// Whether a macro of this name prints to the terminal.
pub(crate) fn is_print(name: &str) -> bool {
    matches!(name, "print" | "println" | "eprint" | "eprintln")
}

/// Counts the calls. `excluded` are regions in order; in `main`, unwrapping, panics and prints are
/// what a program does and do not count.
pub(crate) fn count_calls(
    tokens: &[Token],
    source: &str,
    excluded: &[Span],
    main: Option<Span>,
) -> CallCounts {
    let mut counts = CallCounts::default();
    let mut regions = excluded.iter().peekable();
    for (at, token) in tokens.iter().enumerate() {
        if token.kind != TokenKind::Mark || !matches!(token.byte, b'!' | b'.') {
            continue;
        }
        let start = token.start as usize;
        while regions.next_if(|region| region.end <= start).is_some() {}
        if regions.peek().is_some_and(|region| region.start <= start) {
            continue;
        }
        let in_main = main.is_some_and(|main| main.range().contains(&start));
        if token.byte == b'.' {
            let called = tokens.get(at + 2).is_some_and(|next| next.is(b'('));
            if let Some(name) = tokens.get(at + 1).filter(|_| called && !in_main) {
                match name.text(source) {
                    "unwrap" => counts.unwraps += 1,
                    "expect" => counts.expects += 1,
                    _ => {}
                }
            }
        } else if at > 0 && opens(tokens.get(at + 1)) && tokens[at - 1].kind == TokenKind::Name {
            match tokens[at - 1].text(source) {
                "panic" if !in_main => counts.panics += 1,
                "todo" | "unimplemented" => counts.unfinished += 1,
                "dbg" => counts.debug_macros += 1,
                name if !in_main && is_print(name) => counts.prints += 1,
                _ => {}
            }
        }
    }
    counts
}

fn opens(token: Option<&Token>) -> bool {
    token.is_some_and(|token| token.is(b'(') || token.is(b'[') || token.is(b'{'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lex::{Tokens, lex};

    #[test]
    fn strings_comments_and_regions_do_not_count() {
        let source = "x.unwrap(); // y.unwrap()\nlet s = \".unwrap()\"; assert!(z.unwrap()); panic!(); a.unwrap";
        let mut tokens = Tokens::default();
        lex(source, &mut tokens);
        let all = count_calls(&tokens.all, source, &[], None);
        assert_eq!((all.unwraps, all.panics), (2, 1));
        let some = count_calls(&tokens.all, source, &[Span { start: 0, end: 12 }], None);
        assert_eq!(some.unwraps, 1);
    }
}
