//! Test and documentation detection against real files whose answers were checked by hand.
//!
//! `hand-checked.tsv` lists files of crates that this workspace's `Cargo.lock` pins, chosen by the
//! hash of their names, each with the first 16 bytes of its BLAKE3 hash. The column `read` says who
//! gave the answers:
//!
//! - `whole`: someone who read the file whole and answered from the code;
//! - `parts`: someone who saw all attributes, all lines with `pub`, `impl`, `mod` or a macro, and which
//!   lines documentation stands before, and not what the filter or the oracle said;
//! - `tests-by-macro`: read whole; its tests stand in the body of a macro or come from one, and the list
//!   says no, as the filter does by its documentation;
//! - `no`: the oracle, a second reading by `syn` with code of its own. Where it and the filter
//!   disagreed, the file was read.
//!
//! The files belong to their authors and lie in cargo's registry. At least 200 read ones have to be
//! there, or the test fails and says how to get them: building the workspace on Linux unpacks 215.

mod oracle;
mod registry;

use std::collections::BTreeMap;
use std::fs;

use sigil_filter::{Filter, Row, RuleSet};

const LIST: &str = include_str!("hand-checked.tsv");

struct Listed<'a> {
    folder: String,
    path: &'a str,
    blake3: &'a str,
    read: bool,
    has_tests: bool,
    public_items: usize,
    documented_items: usize,
}

fn listed() -> Vec<Listed<'static>> {
    let rows = LIST.lines().skip(1).map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, version, path, blake3, tests, public, documented, read] = fields[..] else {
            panic!("not eight fields: {line}");
        };
        Listed {
            folder: format!("{name}-{version}"),
            path,
            blake3,
            read: read != "no",
            has_tests: tests == "yes",
            public_items: public.parse().expect("a count"),
            documented_items: documented.parse().expect("a count"),
        }
    });
    rows.collect()
}

/// Files that someone has read and that must be here.
const LEAST_READ: usize = 200;

/// The listed files that are here, with their texts.
fn found() -> Vec<(Listed<'static>, String)> {
    let registries = registry::folders();
    let read = |file: &Listed<'_>| {
        registries
            .iter()
            .find_map(|r| fs::read_to_string(r.join(&file.folder).join(file.path)).ok())
    };
    let found: Vec<_> =
        listed().into_iter().filter_map(|file| read(&file).map(|text| (file, text))).collect();
    for (file, text) in &found {
        let hash = blake3::hash(text.as_bytes()).to_hex();
        let name = format!("{}/{}", file.folder, file.path);
        assert!(hash.starts_with(file.blake3), "{name} is not the file that was read");
    }
    let read = found.iter().filter(|(file, _)| file.read).count();
    assert!(
        read >= LEAST_READ,
        "only {read} of the files that were read are in cargo's registry: `cargo fetch --locked`"
    );
    found
}

#[test]
fn the_list_is_long_enough_and_has_both_kinds() {
    let all = listed();
    let read: Vec<&Listed<'_>> = all.iter().filter(|file| file.read).collect();
    assert!(read.len() >= LEAST_READ, "{}", read.len());
    let tests = read.iter().filter(|file| file.has_tests).count();
    assert!(tests >= 40 && read.len() - tests >= 40, "{tests} of {}", read.len());
    let crates: BTreeMap<&str, ()> = read.iter().map(|file| (file.folder.as_str(), ())).collect();
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
