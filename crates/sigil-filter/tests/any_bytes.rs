//! Whatever the bytes, there is a verdict, both modes keep the same rows, and what is kept can be
//! used.

use proptest::prelude::*;
use sigil_filter::rules::TestMode;
use sigil_filter::{Filter, Row, RuleSet, Session};

fn sessions() -> Vec<Session> {
    let mut strip = RuleSet::none();
    strip.test_file = Some(Default::default());
    strip.test_file.get_or_insert_default().mode = TestMode::Strip;
    let sets = [RuleSet::phase1(), RuleSet::phase2(), RuleSet::strict(), RuleSet::all(), strip];
    sets.into_iter().map(|set| Filter::new(set).expect("presets are fine").session()).collect()
}

/// Judges in both modes and checks what must hold of any row.
fn check(session: &mut Session, bytes: &[u8], path: &str) -> Result<(), TestCaseError> {
    let row = Row::new(bytes).with_path(path);
    let decided = session.decide(&row);
    let audited = session.audit(&row);
    prop_assert_eq!(decided.keep, audited.keep, "{:?} {:?}", decided.reasons, audited.reasons);
    prop_assert_eq!(decided.rule_set, audited.rule_set);
    prop_assert!(audited.reasons_complete && decided.reasons_complete == decided.keep);
    prop_assert_eq!(decided.reason(), audited.reason());
    for reason in &decided.reasons {
        prop_assert!(audited.reasons.iter().any(|other| other.id == reason.id));
        prop_assert!(RuleSet::REASONS.contains(&reason.id));
    }
    prop_assert_eq!(decided.kept_text(bytes), audited.kept_text(bytes));
    prop_assert_eq!(decided.kept_text(bytes).is_some(), decided.keep);
    if let Some(tree) = &audited.facts.tree {
        prop_assert!(tree.error_share() <= 1.0 && tree.documentation_share() <= 1.0);
        for span in tree.test_spans.iter().chain(&tree.bench_spans) {
            prop_assert!(span.end <= bytes.len() && span.start <= span.end);
        }
    }
    Ok(())
}

/// Pieces that make trouble when they meet.
const PIECES: [&str; 44] = [
    "#[test]",
    "#[cfg(test)]",
    "#![cfg(test)]",
    "mod tests {",
    "}",
    "{",
    "(",
    ")",
    "[",
    "]",
    "fn a()",
    "pub ",
    "struct A",
    ";",
    "\"",
    "r#\"",
    "\"#",
    "'",
    "'a",
    "/*",
    "*/",
    "//",
    "///",
    "\n",
    "!",
    "#",
    "macro_rules! m {",
    "x!(",
    "=>",
    "<",
    ">",
    "-> Result<u8>",
    "impl T for U {",
    ".map(",
    ".unwrap()",
    "unsafe {",
    "#[bench]",
    "#[doc = \"a\"]",
    "\\",
    "0x1.",
    "é",
    "\u{0}",
    "proptest! {",
    "quickcheck",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_bytes_get_a_verdict(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for session in &mut sessions() {
            check(session, &bytes, "src/a.rs")?;
        }
    }

    #[test]
    fn any_pieces_get_a_verdict(pieces in prop::collection::vec(0..PIECES.len(), 0..60)) {
        let text: String = pieces.iter().flat_map(|piece| [PIECES[*piece], " "]).collect();
        for session in &mut sessions() {
            check(session, text.as_bytes(), "")?;
        }
    }

    #[test]
    fn mutated_rust_gets_a_verdict(
        which in 0_usize..6,
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..40, 0..PIECES.len()), 1..6),
    ) {
        let mut text = SOURCES[which].to_owned();
        for (place, length, piece) in cuts {
            let mut start = place.index(text.len() + 1);
            while !text.is_char_boundary(start) { start -= 1; }
            let mut end = (start + length).min(text.len());
            while !text.is_char_boundary(end) { end -= 1; }
            text.replace_range(start..end.max(start), PIECES[piece]);
        }
        for session in &mut sessions() {
            check(session, text.as_bytes(), "tests.rs")?;
        }
    }
}

/// Real sources: some of this crate's own.
const SOURCES: [&str; 6] = [
    include_str!("../src/lex/scan.rs"),
    include_str!("../src/verdict.rs"),
    include_str!("../src/reading/secrets.rs"),
    include_str!("../src/rules/test_file.rs"),
    include_str!("../src/digest.rs"),
    include_str!("rules.rs"),
];

/// Checks with one strict session.
fn check_strict(session: &mut Session, bytes: &[u8]) {
    check(session, bytes, "").expect("what holds of any row");
}

fn check_all(bytes: &[u8]) {
    for session in &mut sessions() {
        check(session, bytes, "").expect("what holds of any row");
    }
}

#[test]
fn deep_nesting_overflows_no_stack() {
    let mut session = Filter::new(RuleSet::all()).expect("the preset is fine").session();
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("{", "}"),
        ("!", ""),
        ("&", ""),
        ("- ", ""),
        ("|x| ", ""),
        ("A<", ">"),
        ("fn a() {", "}"),
        ("mod a {", "}"),
        ("if a {} else ", ""),
        ("a = ", ""),
        ("/*", "*/"),
        ("x!(", ")"),
        ("#[cfg(not(", "))]"),
        ("cfg(all(", "))"),
        ("return ", ""),
        ("match a { b => ", "}"),
        ("A<B, ", ">"),
        ("&'a ", ""),
        ("unsafe {", "}"),
    ] {
        for (before, after) in [("fn a() { let b = ", "; }"), ("", "")] {
            let text = format!("{before}{}1{}{after}", open.repeat(10_000), close.repeat(10_000));
            check_strict(&mut session, text.as_bytes());
            // Without its end it is damaged, so that the second parser is asked.
            check_strict(&mut session, format!("{before}{}", open.repeat(10_000)).as_bytes());
        }
    }
}

#[test]
fn nul_and_invalid_utf8_are_dropped() {
    let filter = Filter::new(RuleSet::none()).expect("an empty rule set is fine");
    assert_eq!(filter.decide(b"fn a() {}\xff", None).reason(), Some("invalid_utf8"));
    assert_eq!(filter.audit(b"\xc3", None).reason(), Some("invalid_utf8"));
    let strict = Filter::new(RuleSet::strict()).expect("the preset is fine");
    assert!(!strict.audit(&b"fn a() {}\0\n".repeat(20), None).keep);
    check_all(b"\0");
    check_all(b"\xef\xbb\xbf#!/bin/sh\n");
}

#[test]
fn a_hundred_megabytes_on_one_line_are_dropped() {
    let line = "let a = \"b\"; #[test] ".repeat(100_000_000 / 21);
    for mut session in sessions() {
        let row = Row::new(line.as_bytes());
        let verdict = session.decide(&row);
        assert!(!verdict.keep);
        assert!(verdict.facts.tree.is_none_or(|tree| tree.parse_stopped));
    }
}

#[test]
fn a_source_over_the_limit_is_dropped_only_if_a_rule_reads_rust() {
    let source = "/// A.\npub fn a() {}\n".repeat(1000);
    let mut rules = RuleSet::phase1();
    rules.max_parse_bytes = 1000;
    assert!(Filter::new(rules.clone()).expect("fine").audit(source.as_bytes(), None).keep);
    rules.no_documentation = Some(Default::default());
    let verdict = Filter::new(rules).expect("fine").decide(source.as_bytes(), None);
    assert_eq!(verdict.reason(), Some("parse_limit"));
}
