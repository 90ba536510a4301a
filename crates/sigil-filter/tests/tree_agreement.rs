//! Over real files, what is concluded without the tree is what the tree says, and a walk that passes
//! over what cannot count finds the same facts as one that visits every node.
//!
//! A sample of the `.rs` files of the crates that this workspace's `Cargo.lock` pins, chosen by the
//! hash of their names. `tree-agreement.tsv` lists the files that are judged otherwise, if any;
//! `cargo xtask bench-filter` compares over its whole corpus.

mod registry;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sigil_filter::{Filter, Row, RuleSet, Session};

/// Files judged otherwise: preset, file (`crate-version/path`), reason. Those listed declare foreign
/// types (`type A;` in an `extern` block), which are unstable outside of macros: the grammar reports
/// an error there and the tree loses the functions around it, while the outline counts them.
const EXCEPTIONS: &str = include_str!("tree-agreement.tsv");

/// One file in so many is judged.
const ONE_IN: u64 = 40;

/// Larger files are tables, and few of them would take most of the time.
const MAX_BYTES: u64 = 200_000;

/// A reason given without the tree and not by it, or the other way round.
type Difference = (String, String, String);

/// The names of the pinned crates, as their folders are called.
fn pinned() -> Vec<String> {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
    let lock = fs::read_to_string(lock).expect("the workspace has a lock file");
    let field = |package: &str, key: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.trim_matches(|letter| matches!(letter, ' ' | '=' | '"')).to_owned())
    };
    let crates = lock.split("[[package]]").filter(|package| package.contains("\nsource ="));
    crates.filter_map(|p| Some(format!("{}-{}", field(p, "name")?, field(p, "version")?))).collect()
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("an unpacked crate can be listed") {
        let entry = entry.expect("an unpacked crate can be listed");
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The sampled files with their texts, and how many of the pinned crates are here.
fn sample(crates: &[String]) -> (Vec<(String, Vec<u8>)>, usize) {
    let (mut sample, mut here) = (Vec::new(), 0);
    for registry in registry::folders() {
        for name in crates {
            let folder = registry.join(name);
            if !folder.is_dir() {
                continue;
            }
            here += 1;
            let mut files = Vec::new();
            rust_files(&folder, &mut files);
            for path in files {
                let inner = path.strip_prefix(&registry).expect("it was found in there");
                let inner = inner.to_string_lossy().replace('\\', "/");
                let hash = blake3::hash(inner.as_bytes());
                let hash =
                    hash.as_bytes().iter().take(8).fold(0, |sum, b| sum << 8 | u64::from(*b));
                if hash % ONE_IN == 0 && path.metadata().is_ok_and(|file| file.len() <= MAX_BYTES) {
                    sample.push((inner, fs::read(&path).expect("an unpacked file can be read")));
                }
            }
        }
    }
    sample.sort();
    (sample, here)
}

fn session(rules: RuleSet) -> Session {
    Filter::new(rules).expect("the presets are fine").session()
}

/// Every rule of `all` for itself, and the verdicts of the presets as they are used.
fn differences(files: &[(String, Vec<u8>)]) -> BTreeSet<Difference> {
    let mut differences = BTreeSet::new();
    let mut all = session(RuleSet::all());
    let mut presets = [
        ("phase1", session(RuleSet::phase1())),
        ("phase2", session(RuleSet::phase2())),
        ("strict", session(RuleSet::strict())),
    ];
    for (name, source) in files {
        // Without its path, so that rules on paths do not hide what the others say.
        let row = Row::new(source);
        let ids = |reasons: &[sigil_filter::Reason]| -> BTreeSet<&'static str> {
            reasons.iter().map(|reason| reason.id).collect()
        };
        let (mut quick, by_tree) = (all.audit(&row), all.audit_by_tree(&row));
        if let (Some(quick), Some(whole)) = (&mut quick.facts.tree, &by_tree.facts.tree) {
            quick.nodes_visited = whole.nodes_visited;
        }
        if quick.facts != by_tree.facts {
            differences.insert(("all".to_owned(), name.clone(), "facts".to_owned()));
        }
        for id in ids(&quick.reasons).symmetric_difference(&ids(&by_tree.reasons)) {
            differences.insert(("all".to_owned(), name.clone(), (*id).to_owned()));
        }
        for (preset, session) in &mut presets {
            let (decided, by_tree) = (session.decide(&row), session.audit_by_tree(&row));
            if decided.keep != by_tree.keep
                || decided.kept_text(source) != by_tree.kept_text(source)
            {
                let reason = decided.reason().or(by_tree.reason()).unwrap_or("text");
                differences.insert(((*preset).to_owned(), name.clone(), reason.to_owned()));
            }
        }
    }
    differences
}

#[test]
fn every_verdict_without_the_tree_is_the_trees() {
    let crates = pinned();
    let (files, here) = sample(&crates);
    assert!(2 * here >= crates.len(), "only {here} of {} crates: `cargo fetch`", crates.len());
    assert!(files.len() >= 200, "only {} files", files.len());
    let judged: BTreeSet<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let listed: BTreeSet<Difference> = EXCEPTIONS
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let [preset, file, reason] = fields[..] else { panic!("not three fields: {line}") };
            (preset.to_owned(), file.to_owned(), reason.to_owned())
        })
        .filter(|(_, file, _)| judged.contains(file.as_str()))
        .collect();
    let found = differences(&files);
    let bytes: usize = files.iter().map(|(_, source)| source.len()).sum();
    assert!(bytes > 1_000_000, "only {bytes} bytes");
    let list = |set: &BTreeSet<Difference>| -> String {
        set.iter().map(|(preset, file, reason)| format!("{preset}\t{file}\t{reason}\n")).collect()
    };
    assert!(found == listed, "differences over {} files:\n{}", files.len(), list(&found));
}
