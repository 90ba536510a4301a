//! Every test that the table of the predecessor's defects names is there.
//!
//! The table stands in `docs/concepts/filter.md`; a row names rule cases by file and heading, or tests
//! by file and name. Next: `rules.rs`, which runs the cases.

use std::fs;
use std::path::Path;

const HEADING: &str = "## Defects of the predecessor, and their tests";

/// The rows of the table: the defect, and what tests it.
fn rows(page: &str) -> Vec<(&str, &str)> {
    let table = page.split(HEADING).nth(1).expect("the page has the table");
    let lines = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    lines
        .map(|line| {
            let line = line.trim_matches(['|', ' ']);
            line.rsplit_once(" | ").unwrap_or_else(|| panic!("not two cells: {line}"))
        })
        .collect()
}

/// The files that a cell names, each with the names that follow it.
fn named(cell: &str) -> Vec<(&str, Vec<&str>)> {
    let mut files: Vec<(&str, Vec<&str>)> = Vec::new();
    for part in cell.split('`').skip(1).step_by(2) {
        if part.ends_with(".md") || part.ends_with(".rs") {
            files.push((part, Vec::new()));
        }
    }
    for (file, names) in &mut files {
        let after = cell.split(&format!("`{file}`")).nth(1).unwrap_or_default();
        let own = after.split(".md`").next().unwrap_or_default();
        let own = own.split(".rs`").next().unwrap_or_default();
        names.extend(own.split('"').skip(1).step_by(2));
    }
    files
}

#[test]
fn every_defect_has_a_test_that_is_there() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = crate_folder.join("../../docs/concepts/filter.md");
    let page = fs::read_to_string(page).expect("the workspace has the page");
    let rows = rows(&page);
    assert!(rows.len() >= 15, "only {} rows", rows.len());
    for (defect, tests) in rows {
        let files = named(tests);
        assert!(!files.is_empty(), "no test for: {defect}");
        for (file, names) in files {
            let folder = if file.ends_with(".md") { "tests/rules" } else { "tests" };
            let path = crate_folder.join(folder).join(file);
            let text = fs::read_to_string(&path).unwrap_or_else(|_| panic!("no {file}: {defect}"));
            for name in names {
                let function = name.replace([' ', '-'], "_");
                let heading = text.lines().any(|line| {
                    line.starts_with('#') && line.trim_start_matches('#').trim().starts_with(name)
                });
                let there = heading || text.contains(&format!("fn {function}("));
                assert!(there, "{file} has no `{name}`: {defect}");
            }
        }
    }
}
