//! What an attribute means for the filter.
//!
//! Next: `condition.rs` for `cfg` predicates.

use super::condition::needs;
use crate::lex::{Token, TokenKind};

/// Last path segments of attributes that make a function a test. `test` covers `tokio::test`,
/// `test_log::test` and every other runtime's.
const TESTS: [&str; 11] = [
    "test",
    "rstest",
    "test_case",
    "test_matrix",
    "test_context",
    "wasm_bindgen_test",
    "wasm_bindgen_test_configure",
    "quickcheck",
    "proptest",
    "gtest",
    "parameterized_test",
];
/// The same for benchmarks.
const BENCHES: [&str; 2] = ["bench", "library_benchmark"];
/// Configuration options that only tests set.
const TEST_OPTIONS: [&str; 2] = ["test", "doctest"];
/// Configuration options that only benchmarks set.
const BENCH_OPTIONS: [&str; 2] = ["bench", "benchmark"];

/// What one attribute says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) test: bool,
    pub(crate) bench: bool,
    pub(crate) test_condition: bool,
    pub(crate) bench_condition: bool,
    pub(crate) documents: bool,
    pub(crate) hides: bool,
    pub(crate) derives: bool,
    pub(crate) allows: bool,
    pub(crate) allowed_lints: usize,
    pub(crate) c_layout: bool,
}

impl Attribute {
    /// Whether what it stands on is test code.
    pub(crate) fn makes_test(self) -> bool {
        self.test || self.test_condition
    }

    /// Whether what it stands on is a benchmark.
    pub(crate) fn makes_bench(self) -> bool {
        self.bench || self.bench_condition
    }
}

/// Reads the tokens between the brackets of `#[..]` or `#![..]`.
pub(crate) fn read_attribute(tokens: &[Token], source: &str) -> Attribute {
    let tokens: Vec<Token> = tokens.iter().copied().filter(|token| !token.is_comment()).collect();
    let mut attribute = Attribute::default();
    let (name, rest) = path(&tokens, source);
    let arguments = match (rest.first(), rest.last()) {
        (Some(open), Some(close)) if open.is(b'(') && close.is(b')') && rest.len() > 1 => {
            &rest[1..rest.len() - 1]
        }
        _ => &[],
    };
    mark_test(name, &mut attribute);
    match name {
        "cfg" => {
            attribute.test_condition = needs(arguments, source, &TEST_OPTIONS);
            attribute.bench_condition = needs(arguments, source, &BENCH_OPTIONS);
        }
        "cfg_attr" => {
            for part in split(arguments).skip(1) {
                mark_test(path(part, source).0, &mut attribute);
            }
        }
        "doc" => {
            attribute.hides = arguments.first().is_some_and(|token| token.text(source) == "hidden");
            attribute.documents = rest.first().is_some_and(|token| token.is(b'='));
        }
        "derive" => attribute.derives = true,
        "allow" => {
            attribute.allows = true;
            attribute.allowed_lints = split(arguments)
                .filter(|part| path(part, source).0 != "reason" && !part.is_empty())
                .count();
        }
        "repr" => {
            attribute.c_layout = arguments.iter().any(|token| token.text(source) == "C");
        }
        _ => {}
    }
    attribute
}

fn mark_test(name: &str, attribute: &mut Attribute) {
    attribute.test |= TESTS.contains(&name);
    attribute.bench |= BENCHES.contains(&name);
}

/// Gives the last segment of the path at the start, and what follows the path.
fn path<'a, 't>(tokens: &'t [Token], source: &'a str) -> (&'a str, &'t [Token]) {
    let mut last = "";
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            TokenKind::Name | TokenKind::RawName => last = token.text(source),
            TokenKind::Mark if token.byte == b':' => {}
            _ => return (last, &tokens[at..]),
        }
    }
    (last, &[])
}

/// Splits at the commas that stand in no bracket.
fn split(tokens: &[Token]) -> impl Iterator<Item = &[Token]> {
    let mut depth = 0_usize;
    tokens.split(move |token| {
        match token.byte {
            b'(' | b'[' | b'{' if token.kind == TokenKind::Mark => depth += 1,
            b')' | b']' | b'}' if token.kind == TokenKind::Mark => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && token.is(b',')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lex::{Tokens, lex};

    fn read(source: &str) -> Attribute {
        let mut tokens = Tokens::default();
        lex(source, &mut tokens);
        read_attribute(&tokens.all, source)
    }

    #[test]
    fn tests_are_known_by_their_last_segment() {
        for source in
            ["test", "tokio::test", "tokio::test(flavor = \"x\")", "rstest", "::core::test"]
        {
            assert!(read(source).test, "{source}");
        }
        for source in ["test_only", "doc = \"test\"", "cfg_attr(test, derive(Debug))", "attest", ""]
        {
            assert!(!read(source).makes_test(), "{source}");
        }
        assert!(read("cfg_attr(not(target_arch = \"wasm32\"), test)").test);
        assert!(read("cfg_attr(wasm, wasm_bindgen_test, other(a, b))").test);
    }

    #[test]
    fn conditions_count_apart() {
        assert!(read("cfg(test)").test_condition);
        assert!(read("cfg(all(bench, nightly))").bench_condition);
        assert!(!read("cfg(not(test))").makes_test());
    }

    #[test]
    fn the_rest_is_read() {
        assert_eq!(read("allow(dead_code, clippy::all, reason = \"a, b\")").allowed_lints, 2);
        assert!(read("doc(hidden)").hides && read("doc = \"text\"").documents);
        assert!(read("repr(C, align(8))").c_layout && read("derive(Clone)").derives);
    }
}
