//! The filter's facts about any bytes: spans lie in the source, shares between zero and one, and a
//! stripped source is judged again without trouble.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sigil_filter::rules::{SyntaxError, TestFile, TestMode};
use sigil_filter::{Filter, Row, RuleSet};

fuzz_target!(|source: &[u8]| {
    let mut tests = TestFile::default();
    tests.mode = TestMode::Strip;
    let mut rules = RuleSet::none();
    rules.test_file = Some(tests);
    // So that the second parser is asked about any damage.
    let mut damage = SyntaxError::default();
    damage.max_share_confirmed = 0.0;
    rules.syntax_error = Some(damage);
    let mut session = Filter::new(rules).expect("the setting is fine").session();
    let verdict = session.audit_by_tree(&Row::new(source));
    if let Some(tree) = &verdict.facts.tree {
        assert!((0.0..=1.0).contains(&tree.error_share()));
        assert!((0.0..=1.0).contains(&tree.documentation_share()));
        for span in tree.test_spans.iter().chain(&tree.bench_spans).chain(&tree.secret_spans) {
            assert!(span.start <= span.end && span.end <= source.len());
        }
    }
    if let Some(text) = verdict.kept_text(source) {
        session.audit(&Row::new(text.as_bytes()));
    }
});
