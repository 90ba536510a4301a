//! Runs the cases of `tests/rules/*.md`: one file per rule, named like it.
//!
//! A case is a block of Rust whose info string says `keep` or `drop: reason`. Lines before it set
//! what the row or the rule has besides: `path:`, `licence:`, `set: name = value`. A block `becomes`
//! after a kept one holds the text that must be left. Every case is judged in both modes, and by the
//! tree alone.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use sigil_filter::rules::TestMode;
use sigil_filter::{Filter, Row, RuleSet};

#[derive(Default, Clone)]
struct Case {
    place: String,
    path: String,
    licences: Vec<String>,
    settings: Vec<(String, String)>,
    verdict: String,
    source: String,
    becomes: Option<String>,
}

fn read(name: &str, text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut next = Case::default();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if let Some(info) = line.strip_prefix("```rust ") {
            let body: Vec<&str> =
                lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
            let source = body.join("\n") + "\n";
            if info == "becomes" {
                cases.last_mut().expect("`becomes` follows a case").becomes = Some(source);
                continue;
            }
            next.place = format!("{name}.md:{}", number + 1);
            next.verdict = info.to_owned();
            next.source = source;
            cases.push(std::mem::take(&mut next));
        } else if let Some(path) = line.strip_prefix("path: ") {
            next.path = path.to_owned();
        } else if let Some(licence) = line.strip_prefix("licence: ") {
            next.licences.push(licence.to_owned());
        } else if let Some(setting) = line.strip_prefix("set: ") {
            let (key, value) = setting.split_once(" = ").expect("`set: name = value`");
            next.settings.push((key.to_owned(), value.to_owned()));
        }
    }
    cases
}

fn apply(rules: &mut RuleSet, key: &str, value: &str) {
    let number = || value.parse::<usize>().expect("a whole number");
    let share = || value.parse::<f64>().expect("a number");
    macro_rules! set {
        ($($rule:ident.$field:ident = $value:expr;)*) => {
            match key {
                $(concat!(stringify!($rule), ".", stringify!($field)) => {
                    rules.$rule.get_or_insert_default().$field = $value;
                })*
                other => panic!("the cases cannot set `{other}`"),
            }
        };
    }
    set! {
        test_file.mode = match value {
            "strip" => TestMode::Strip,
            "keep" => TestMode::Keep,
            _ => TestMode::Reject,
        };
        test_file.min_share = share();
        bench_file.code = value == "true";
        licence.reject_unknown = value == "true";
        too_short.min_chars = number();
        too_long.max_chars = number();
        line_count.min_lines = number();
        line_count.max_lines = number();
        not_idiomatic.quality_ratio = share();
        prints.max_count = number();
        deep_nesting.max_depth = number();
        suppressed_lints.max_lints = number();
        low_documentation.min_share = share();
    }
}

fn check(rule: &str, case: &Case) {
    let mut rules = RuleSet::none();
    assert!(rules.enable(rule), "there is no rule `{rule}`");
    for (key, value) in &case.settings {
        apply(&mut rules, key, value);
    }
    let filter = Filter::new(rules).expect("the case's settings are fine");
    let mut session = filter.session();
    let licences: Vec<&str> = case.licences.iter().map(String::as_str).collect();
    let row = Row::new(case.source.as_bytes()).with_path(&case.path).with_licences(&licences);
    for verdict in [session.decide(&row), session.audit(&row), session.audit_by_tree(&row)] {
        let said = verdict.reason().map_or("keep".to_owned(), |reason| format!("drop: {reason}"));
        assert_eq!(said, case.verdict, "{}: {:?}\n{:#?}", case.place, verdict.mode, verdict);
        if let Some(becomes) = &case.becomes {
            let text = verdict.kept_text(case.source.as_bytes());
            assert_eq!(text.as_deref(), Some(becomes.as_str()), "{}", case.place);
        }
    }
}

#[test]
fn every_case_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules");
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("the cases are there") {
        let path = entry.expect("the folder can be read").path();
        let rule = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        if !RuleSet::REASONS.contains(&rule.as_str()) {
            // The cases of a rule whose feature is off.
            assert_eq!(rule, "secrets", "{rule}.md is named like no rule");
            continue;
        }
        let text = fs::read_to_string(&path).expect("the cases can be read");
        let cases = read(&rule, &text);
        assert!(cases.iter().any(|case| case.verdict == "keep"), "{rule}.md keeps nothing");
        assert!(cases.iter().any(|case| case.verdict != "keep"), "{rule}.md drops nothing");
        cases.iter().for_each(|case| check(&rule, case));
        seen.insert(rule);
    }
    // The first two reasons belong to no rule.
    for rule in &RuleSet::REASONS[2..] {
        assert!(seen.contains(*rule), "tests/rules/{rule}.md is missing");
    }
}
