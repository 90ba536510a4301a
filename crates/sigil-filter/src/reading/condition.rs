//! `cfg` predicates: does an item exist in tests only?
//!
//! A predicate makes an item test code exactly if it is false in every build without tests, whatever
//! the features and targets: `all(test, unix)` does, `any(test, unix)` and `not(test)` do not.
//! Evaluated in three values without recursion, because attributes nest as deep as someone likes.

use crate::lex::{Token, TokenKind};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Truth {
    False,
    Unknown,
    True,
}

#[derive(Clone, Copy)]
enum Operator {
    All,
    Any,
    Not,
    Other,
}

struct Group {
    operator: Operator,
    so_far: Truth,
}

impl Group {
    fn new(operator: Operator) -> Self {
        let so_far = match operator {
            Operator::All => Truth::True,
            Operator::Any => Truth::False,
            Operator::Not | Operator::Other => Truth::Unknown,
        };
        Self { operator, so_far }
    }

    fn add(&mut self, value: Truth) {
        self.so_far = match (self.operator, self.so_far, value) {
            (Operator::All, Truth::False, _) | (Operator::All, _, Truth::False) => Truth::False,
            (Operator::All, Truth::True, other) => other,
            (Operator::Any, Truth::True, _) | (Operator::Any, _, Truth::True) => Truth::True,
            (Operator::Any, Truth::False, other) => other,
            (Operator::Not, _, Truth::False) => Truth::True,
            (Operator::Not, _, Truth::True) => Truth::False,
            _ => Truth::Unknown,
        };
    }
}

/// Whether the predicate names one of `names` and is false as long as none of them is set; `any()`
/// is false always and needs nothing. `tokens` are what stands
/// between the parentheses of `cfg(..)`, without comments; the names stand for options without value.
pub(crate) fn needs(tokens: &[Token], source: &str, names: &[&str]) -> bool {
    if !tokens.iter().any(|token| names.contains(&token.text(source))) {
        return false;
    }
    let mut groups = vec![Group::new(Operator::All)];
    let mut at = 0;
    while let Some(&token) = tokens.get(at) {
        let next = tokens.get(at + 1);
        at += 1;
        if matches!(token.kind, TokenKind::Name | TokenKind::RawName) {
            let name = token.text(source);
            if next.is_some_and(|next| next.is(b'(')) {
                at += 1;
                groups.push(Group::new(match name {
                    "all" => Operator::All,
                    "any" => Operator::Any,
                    "not" => Operator::Not,
                    _ => Operator::Other,
                }));
                continue;
            }
            let mut value = match name {
                "false" => Truth::False,
                "true" => Truth::True,
                _ if names.contains(&name) => Truth::False,
                _ => Truth::Unknown,
            };
            if next.is_some_and(|next| next.is(b'=')) {
                at += 2;
                value = Truth::Unknown;
            }
            if let Some(group) = groups.last_mut() {
                group.add(value);
            }
        } else if token.is(b')') && groups.len() > 1 {
            let closed = groups.pop().map_or(Truth::Unknown, |group| group.so_far);
            if let Some(group) = groups.last_mut() {
                group.add(closed);
            }
        }
    }
    groups.len() == 1 && groups[0].so_far == Truth::False
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lex::{Tokens, lex};

    #[test]
    fn only_predicates_that_imply_test_count() {
        for (predicate, expected) in [
            ("test", true),
            ("all(test, feature = \"std\")", true),
            ("all(unix, all(not(miri), test))", true),
            ("any(test, doctest)", true),
            ("not(not(test))", true),
            ("any(test, feature = \"testing\")", false),
            ("not(test)", false),
            ("not(any(test, unix))", false),
            ("feature = \"test\"", false),
            ("target_os = \"test\", unix", false),
            ("any()", false),
            ("any(", false),
            ("))", false),
        ] {
            let mut tokens = Tokens::default();
            lex(predicate, &mut tokens);
            assert_eq!(
                needs(&tokens.all, predicate, &["test", "doctest"]),
                expected,
                "{predicate}"
            );
        }
    }
}
