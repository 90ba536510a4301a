//! Test and documentation detection against real files whose answers were checked by hand.
//!
//! `hand-checked.tsv` lists files of crates that this workspace's `Cargo.lock` pins, chosen by the
//! hash of their names. The answers come from the oracle, and every file where it and the filter
//! disagreed was read. The column `read` says which files someone read whole and answered from the
//! code: those of at most 5,000 bytes, in the order of the hash of crate, version and path. In one of
//! the 42 that answer differed from the list, and the reader had missed a comment. `tests-by-macro`
//! marks files whose tests stand in the body of a macro or come from one: the list says no, as the
//! filter does by its documentation. The files themselves belong to their authors and lie in cargo's
//! registry.

mod oracle;
mod registry;

use std::collections::BTreeMap;
use std::fs;

use sigil_filter::{Filter, Row, RuleSet};

const LIST: &str = include_str!("hand-checked.tsv");

struct Listed<'a> {
    folder: String,
    path: &'a str,
    read: bool,
    has_tests: bool,
    public_items: usize,
    documented_items: usize,
}

fn listed() -> Vec<Listed<'static>> {
    let rows = LIST.lines().skip(1).map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, version, path, tests, public, documented, read] = fields[..] else {
            panic!("not seven fields: {line}");
        };
        Listed {
            folder: format!("{name}-{version}"),
            path,
            read: read != "no",
            has_tests: tests == "yes",
            public_items: public.parse().expect("a count"),
            documented_items: documented.parse().expect("a count"),
        }
    });
    rows.collect()
}

/// The listed files that are here, with their texts.
fn found() -> Vec<(Listed<'static>, String)> {
    let registries = registry::folders();
    let all = listed();
    let count = all.len();
    let read = |file: &Listed<'_>| {
        registries
            .iter()
            .find_map(|r| fs::read_to_string(r.join(&file.folder).join(file.path)).ok())
    };
    let found: Vec<_> =
        all.into_iter().filter_map(|file| read(&file).map(|text| (file, text))).collect();
    assert!(
        2 * found.len() >= count,
        "only {} of {count} files are here: `cargo fetch`",
        found.len()
    );
    found
}

#[test]
fn the_list_is_long_enough_and_has_both_kinds() {
    let all = listed();
    assert!(all.len() >= 200);
    assert!(all.iter().filter(|file| file.read).count() >= 40);
    let tests = all.iter().filter(|file| file.has_tests).count();
    assert!(tests >= 40 && all.len() - tests >= 40, "{tests} of {}", all.len());
    let crates: BTreeMap<&str, ()> = all.iter().map(|file| (file.folder.as_str(), ())).collect();
    assert!(crates.len() >= 80);
}

#[test]
fn the_filter_agrees_with_the_list() {
    let filter = Filter::new(RuleSet::phase1()).expect("the preset is fine");
    let mut session = filter.session();
    let mut wrong = Vec::new();
    for (file, text) in found() {
        let verdict = session.audit_by_tree(&Row::from(text.as_str()));
        let tree = verdict.facts.tree.expect("an audit parses");
        let has_tests = tree.test_attributes + tree.test_conditions > 0;
        let facts = (has_tests, tree.public_items, tree.documented_public_items);
        let expected = (file.has_tests, file.public_items, file.documented_items);
        let decided = session.decide(&Row::from(text.as_str())).reason() == Some("test_file");
        if facts != expected || (text.chars().count() >= 64 && decided != file.has_tests) {
            wrong.push(format!("{}/{}: {facts:?} is not {expected:?}", file.folder, file.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_oracle_agrees_with_the_list() {
    let mut wrong = Vec::new();
    for (file, text) in found() {
        let Some(said) = oracle::ask(&text) else { continue };
        let said = (said.has_tests, said.public_items, said.documented_items);
        let expected = (file.has_tests, file.public_items, file.documented_items);
        if said != expected {
            wrong.push(format!("{}/{}: {said:?} is not {expected:?}", file.folder, file.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
