//! Decides whether a crate's licence lets its text be used as training data.
//!
//! Reads the SPDX expression of a crate's own Cargo.toml; licence files are not read, so a crate
//! without an expression is refused. Next: `select.rs`.

/// Licences that ask for no more than a notice.
const PERMISSIVE: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unlicense",
    "Zlib",
];

/// Tells whether a licence expression can be satisfied with permissive licences only.
///
/// `OR` needs one side, `AND` both; `/` is the old spelling of `OR`. `Apache-2.0 WITH
/// LLVM-exception` only adds permissions to Apache-2.0 and counts as it.
pub(super) fn is_permissive(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, at: 0 };
    parser.any() == Some(true) && parser.at == words.len()
}

struct Parser<'a> {
    words: &'a [&'a str],
    at: usize,
}

impl Parser<'_> {
    fn take(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at).is_some_and(|w| w.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn any(&mut self) -> Option<bool> {
        let mut allowed = self.all()?;
        while self.take("OR") {
            allowed |= self.all()?;
        }
        Some(allowed)
    }

    fn all(&mut self) -> Option<bool> {
        let mut allowed = self.one()?;
        while self.take("AND") {
            allowed &= self.one()?;
        }
        Some(allowed)
    }

    /// One licence with its exception. Brackets are flattened one level at a time without
    /// recursion deeper than the expression is long, which registries keep to a line.
    fn one(&mut self) -> Option<bool> {
        if self.at > 64 {
            return None;
        }
        if self.take("(") {
            let inner = self.any()?;
            return self.take(")").then_some(inner);
        }
        let name = *self.words.get(self.at)?;
        self.at += 1;
        let plain = !self.take("WITH") || self.take("LLVM-exception");
        Some(plain && PERMISSIVE.contains(&name))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn expressions_are_read_as_spdx_says() {
        for (expression, expected) in [
            ("MIT", true),
            ("MIT OR Apache-2.0", true),
            ("MIT/Apache-2.0", true),
            ("GPL-3.0-only", false),
            ("GPL-3.0-only OR MIT", true),
            ("GPL-3.0-only AND MIT", false),
            ("(MIT OR Apache-2.0) AND BSD-3-Clause", true),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", false),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("Apache-2.0 WITH Swift-exception", false),
            ("MIT OR", false),
            ("(MIT", false),
            ("MIT MIT", false),
            ("", false),
        ] {
            assert_eq!(is_permissive(expression), expected, "{expression}");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_an_answer(expression in "[()A-Z/ ]{0,300}") {
            let opened = "(".repeat(10_000) + &expression;
            prop_assert!(!is_permissive(&opened));
            let _ = is_permissive(&expression);
        }
    }
}
