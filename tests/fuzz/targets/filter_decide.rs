//! The filter's verdict on any bytes: both modes keep the same rows, and what is kept can be used.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sigil_filter::{Filter, Row, RuleSet};

fuzz_target!(|bytes: &[u8]| {
    let (first, source) = bytes.split_first().unwrap_or((&0, &[]));
    let rules = match first % 4 {
        0 => RuleSet::phase1(),
        1 => RuleSet::phase2(),
        2 => RuleSet::strict(),
        _ => RuleSet::all(),
    };
    let filter = Filter::new(rules).expect("presets are fine");
    let mut session = filter.session();
    let decided = session.decide(&Row::new(source));
    let audited = session.audit(&Row::new(source));
    assert_eq!(decided.keep, audited.keep);
    assert_eq!(decided.reason(), audited.reason());
    assert_eq!(decided.kept_text(source), audited.kept_text(source));
    assert_eq!(decided.kept_text(source).is_some(), decided.keep);
});
