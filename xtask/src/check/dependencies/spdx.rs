//! SPDX licence expressions: `MIT OR (Apache-2.0 WITH LLVM-exception AND ISC)`.
//!
//! The subset that Cargo.toml files use, and the old `MIT/Apache-2.0` spelling of `OR`. Identifiers
//! are not looked up: an unknown one is simply not on any list.
//! Source: SPDX specification 2.3, annex D.

use std::fmt;

/// Parentheses nest no deeper than this in any licence ever written.
const MAX_DEPTH: usize = 16;

/// A parsed licence expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expression {
    /// One licence, with its exception if it has one: `Apache-2.0 WITH LLVM-exception`.
    Licence(String),
    /// All of them hold.
    All(Vec<Expression>),
    /// The user chooses one.
    Any(Vec<Expression>),
}

/// Why a text is no licence expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no licence expression: {reason}")]
pub(crate) struct ExpressionError {
    /// The whole text.
    text: String,
    /// What was expected.
    reason: &'static str,
}

impl Expression {
    /// Parses an expression.
    ///
    /// # Errors
    /// [`ExpressionError`] when the text does not follow the grammar.
    pub(crate) fn parse(text: &str) -> Result<Self, ExpressionError> {
        let spaced = text.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
        let mut words = Words { words: spaced.split_whitespace().collect(), next: 0 };
        let parsed = words.any(0).and_then(|expression| match words.peek() {
            None => Ok(expression),
            Some(_) => Err("`AND` or `OR` expected"),
        });
        parsed.map_err(|reason| ExpressionError { text: text.to_owned(), reason })
    }

    /// Tells whether the expression can be met with the licences that `allowed` accepts.
    pub(crate) fn is_met(&self, allowed: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Licence(name) => allowed(name),
            Self::All(parts) => parts.iter().all(|part| part.is_met(allowed)),
            Self::Any(parts) => parts.iter().any(|part| part.is_met(allowed)),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parts, between) = match self {
            Self::Licence(name) => return f.write_str(name),
            Self::All(parts) => (parts, " AND "),
            Self::Any(parts) => (parts, " OR "),
        };
        for (index, part) in parts.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { between })?;
            match part {
                Self::Licence(name) => f.write_str(name)?,
                group => write!(f, "({group})")?,
            }
        }
        Ok(())
    }
}

struct Words<'t> {
    words: Vec<&'t str>,
    next: usize,
}

impl<'t> Words<'t> {
    fn peek(&self) -> Option<&'t str> {
        self.words.get(self.next).copied()
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.peek() == Some(word);
        self.next += usize::from(found);
        found
    }

    fn any(&mut self, depth: usize) -> Result<Expression, &'static str> {
        let mut parts = vec![self.all(depth)?];
        while self.take("OR") {
            parts.push(self.all(depth)?);
        }
        Ok(one_or(parts, Expression::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Expression, &'static str> {
        let mut parts = vec![self.single(depth)?];
        while self.take("AND") {
            parts.push(self.single(depth)?);
        }
        Ok(one_or(parts, Expression::All))
    }

    fn single(&mut self, depth: usize) -> Result<Expression, &'static str> {
        if self.take("(") {
            if depth == MAX_DEPTH {
                return Err("too many parentheses");
            }
            let inside = self.any(depth + 1)?;
            return if self.take(")") { Ok(inside) } else { Err("`)` expected") };
        }
        let licence = self.identifier()?.to_owned();
        if self.take("WITH") {
            return Ok(Expression::Licence(format!("{licence} WITH {}", self.identifier()?)));
        }
        Ok(Expression::Licence(licence))
    }

    fn identifier(&mut self) -> Result<&'t str, &'static str> {
        let word = self.peek().ok_or("a licence expected at the end")?;
        if matches!(word, "AND" | "OR" | "WITH" | "(" | ")") {
            return Err("a licence expected");
        }
        self.next += 1;
        Ok(word)
    }
}

fn one_or(mut parts: Vec<Expression>, group: fn(Vec<Expression>) -> Expression) -> Expression {
    if parts.len() == 1 { parts.remove(0) } else { group(parts) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_met(text: &str, allowed: &[&str]) -> bool {
        Expression::parse(text).expect("valid").is_met(&|name| allowed.contains(&name))
    }

    #[test]
    fn and_binds_closer_than_or() {
        assert!(is_met("GPL-3.0 AND Zlib OR MIT", &["MIT"]));
        assert!(!is_met("GPL-3.0 AND (Zlib OR MIT)", &["MIT"]));
        assert!(is_met("(MIT OR Apache-2.0) AND Unicode-3.0", &["MIT", "Unicode-3.0"]));
        assert!(!is_met("(MIT OR Apache-2.0) AND Unicode-3.0", &["MIT"]));
    }

    #[test]
    fn exceptions_and_the_old_spelling_are_read() {
        assert!(is_met("MIT/Apache-2.0", &["Apache-2.0"]));
        assert!(is_met("MIT / Apache-2.0", &["MIT"]));
        let llvm = "Apache-2.0 WITH LLVM-exception";
        assert!(is_met(llvm, &[llvm]) && !is_met(llvm, &["Apache-2.0"]));
    }

    #[test]
    fn broken_expressions_are_refused() {
        for text in ["", "MIT OR", "AND", "(MIT", "MIT)", "MIT ISC", "MIT WITH", &"(".repeat(99)] {
            assert!(Expression::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_words_are_read_and_what_parses_prints_the_same(
            words in prop::collection::vec("(MIT|ISC|AND|OR|WITH|[(]|[)]|/)", 0..12)
        ) {
            if let Ok(parsed) = Expression::parse(&words.join(" ")) {
                prop_assert_eq!(Expression::parse(&parsed.to_string()), Ok(parsed));
            }
        }

        #[test]
        fn any_text_is_read(text in any::<String>()) {
            Expression::parse(&text).ok();
        }
    }
}
