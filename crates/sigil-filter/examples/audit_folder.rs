//! Audits every `.rs` file under the folders given as arguments and prints one digest of all their
//! facts and reasons, then the counters. Two builds that print the same digest found the same facts;
//! how many nodes the walk visited and whether a second parser was asked is left out, because that is
//! work, not a fact of the file.
//!
//! `cargo run --release -p sigil-filter --example audit_folder -- src`
#![expect(clippy::print_stdout, reason = "an example answers on the terminal")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use sigil_filter::telemetry::Telemetry;
use sigil_filter::{Filter, Row, RuleSet};

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            rust_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    for folder in std::env::args().skip(1) {
        rust_files(Path::new(&folder), &mut files)?;
    }
    files.sort();
    let mut session = Filter::new(RuleSet::all())?.session().timed();
    let mut telemetry = Telemetry::default();
    let mut hasher = blake3::Hasher::new();
    let (mut visited, mut opinions) = (0, 0);
    for path in &files {
        let source = fs::read(path)?;
        let mut verdict = session.audit(&Row::new(&source).with_path(&path.to_string_lossy()));
        if let Some(tree) = &mut verdict.facts.tree {
            visited += tree.nodes_visited;
            opinions += usize::from(tree.second_opinion.is_some());
            (tree.nodes_visited, tree.second_opinion) = (0, None);
        }
        hasher.update(format!("{:?} {:?}\n", verdict.facts, verdict.reasons).as_bytes());
        telemetry.record("folders", &verdict, session.times());
    }
    println!("{} files, facts and reasons {}", files.len(), hasher.finalize().to_hex());
    println!("{visited} nodes visited, {opinions} second opinions\n");
    println!("{}", telemetry.to_table());
    Ok(())
}
