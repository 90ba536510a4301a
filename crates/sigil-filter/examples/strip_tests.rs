//! Cuts the test code out of a source and shows what is left.
//!
//! `cargo run -p sigil-filter --example strip_tests`
#![expect(clippy::print_stdout, reason = "an example answers on the terminal")]

use std::error::Error;

use sigil_filter::rules::{TestFile, TestMode};
use sigil_filter::{Filter, RuleSet};

const SOURCE: &str = "/// Adds.\npub fn add(a: u8, b: u8) -> u8 {\n    a + b\n}\n\n\
    #[cfg(test)]\nmod tests {\n    #[test]\n    fn adds() {\n        assert_eq!(super::add(1, 2), 3);\n    }\n}\n";

fn main() -> Result<(), Box<dyn Error>> {
    let mut tests = TestFile::default();
    tests.mode = TestMode::Strip;
    let mut rules = RuleSet::none();
    rules.test_file = Some(tests);
    let verdict = Filter::new(rules)?.decide(SOURCE.as_bytes(), None);
    let left = verdict.kept_text(SOURCE.as_bytes()).ok_or("the row was dropped")?;
    assert!(!left.contains("adds()"));
    println!("{left}");
    Ok(())
}
