//! Every defect of the predecessor has a test that exists, or a sentence why it has none.
//!
//! The list is tests/defects.toml; the page made of it, docs/reference/defects.md, has to be current
//! (`cargo xtask defects` writes it). That a test passes is not seen here: the tests run beside this.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::check::Finding;
use crate::check::tree::Tree;

const RULE: &str = "defects";
/// The list.
pub(crate) const LIST: &str = "tests/defects.toml";
/// The page.
pub(crate) const PAGE: &str = "docs/reference/defects.md";
/// How many there are in the predecessor's inventory.
const COUNT: usize = 47;

const INTRODUCTION: &str = "\
# Defects of the predecessor, and their tests

The system that sigil replaces had an inventory made of it, with 47 numbered defects. This is what became of
each one. The page is made of [tests/defects.toml](../../tests/defects.toml) by `cargo xtask defects`;
`cargo xtask check` refuses a test that is not there and a page that is not current.
";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    defect: Vec<Defect>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Defect {
    number: usize,
    area: String,
    was: String,
    #[serde(default)]
    here: String,
    #[serde(default)]
    tests: Vec<String>,
    does_not_apply: Option<String>,
}

/// Reports defects that are missing or without an answer, tests that are not there, and an old page.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(text) = tree.text(LIST) else {
        return vec![Finding::file(RULE, LIST, "missing")];
    };
    let list: List = match toml::from_str(text) {
        Ok(list) => list,
        Err(error) => return vec![Finding::file(RULE, LIST, error.to_string())],
    };
    let mut findings = Vec::new();
    let numbers: Vec<usize> = list.defect.iter().map(|defect| defect.number).collect();
    if numbers != (1..=COUNT).collect::<Vec<_>>() {
        let message = format!("the numbers must be 1 to {COUNT}, each once, in their order");
        findings.push(Finding::file(RULE, LIST, message));
    }
    for defect in &list.defect {
        for message in complaints(tree, defect) {
            let line = line_of(text, defect.number);
            findings.push(Finding::line(RULE, LIST, line, message));
        }
    }
    if tree.text(PAGE) != Some(page(&list).as_str()) {
        findings.push(Finding::file(RULE, PAGE, "is not current: run `cargo xtask defects`"));
    }
    findings
}

/// The page of a list, for the verb that writes it.
///
/// # Errors
/// What is wrong with the list.
pub(crate) fn rendered(text: &str) -> Result<String, toml::de::Error> {
    Ok(page(&toml::from_str(text)?))
}

fn complaints(tree: &Tree, defect: &Defect) -> Vec<String> {
    let number = defect.number;
    let mut found = Vec::new();
    if defect.was.is_empty() || defect.area.is_empty() {
        found.push(format!("{number} does not say what it was"));
    }
    let excused = defect.does_not_apply.as_ref().is_some_and(|why| !why.is_empty());
    if defect.tests.is_empty() && !excused {
        found.push(format!("{number} has neither a test nor `does_not_apply`"));
    }
    if defect.here.is_empty() && !excused {
        found.push(format!("{number} does not say what is so `here`"));
    }
    for test in &defect.tests {
        match test.split_once("::") {
            Some((path, name)) => match tree.text(path) {
                None => found.push(format!("{number}: there is no file `{path}`")),
                Some(text) if !has_test(path, text, name) => {
                    found.push(format!("{number}: `{path}` has no test `{name}`"));
                }
                Some(_) => {}
            },
            None => found.push(format!("{number}: `{test}` is not `file::name`")),
        }
    }
    found
}

/// Whether a file has a test of this name: a heading, a line of a table, or a function that is run.
fn has_test(path: &str, text: &str, name: &str) -> bool {
    if path.ends_with(".md") {
        return text.lines().any(|line| line.strip_prefix("## ") == Some(name));
    }
    if name.contains(' ') {
        return text.contains(&format!("\"{name}\""));
    }
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let head = format!("fn {name}(");
    lines.iter().enumerate().any(|(at, line)| {
        let attributes = || lines[..at].iter().rev().take_while(|above| above.starts_with("#["));
        line.starts_with(&head)
            && attributes().any(|above| *above == "#[test]")
            && !attributes().any(|above| above.starts_with("#[ignore"))
    })
}

fn line_of(text: &str, number: usize) -> usize {
    let wanted = format!("number = {number}");
    text.lines().position(|line| line == wanted).map_or(1, |index| index + 1)
}

fn page(list: &List) -> String {
    let mut page = INTRODUCTION.to_owned();
    let mut area = "";
    for defect in &list.defect {
        if defect.area != area {
            area = &defect.area;
            let mut letters = area.chars();
            let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
            let _ = write!(page, "\n## {first}{}\n\n", letters.as_str());
            page.push_str("| | it was | here | tests |\n|---|---|---|---|\n");
        }
        let here = match &defect.does_not_apply {
            Some(why) => format!("does not apply: {why}"),
            None => defect.here.clone(),
        };
        let tests: Vec<String> = defect.tests.iter().map(|test| link(test)).collect();
        let row = [&*defect.was, &here, &tests.join("; ")].map(|cell| cell.replace('|', "\\|"));
        let _ = writeln!(page, "| {} | {} |", defect.number, row.join(" | "));
    }
    page
}

/// A test by its name, leading to its file.
fn link(test: &str) -> String {
    let (path, name) = test.split_once("::").unwrap_or((test, test));
    let name = if name.contains('`') { name.to_owned() } else { format!("`{name}`") };
    format!("[{name}](../../{path})")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TESTS: &str = "#[test]\nfn good() {}\n#[test]\n#[ignore = \"slow\"]\nfn put_off() {}\n\
        fn no_test() {}\n#[test]\n#[cfg(unix)]\npub fn marked() {}\n  \"leaves a daemon\",\n";

    #[test]
    fn a_test_is_a_function_that_is_run_a_heading_or_a_line_of_a_table() {
        for name in ["good", "leaves a daemon"] {
            assert!(has_test("a.rs", TESTS, name), "{name}");
        }
        for name in ["put_off", "no_test", "goo", "absent", "leaves a"] {
            assert!(!has_test("a.rs", TESTS, name), "{name}");
        }
        assert!(has_test("a.md", "# rule\n## A word\n", "A word"));
        assert!(!has_test("a.md", "## A word and more\nA word\n", "A word"));
    }

    #[test]
    fn what_is_missing_is_told_with_its_line() {
        let mut list = String::new();
        for number in 1..=COUNT {
            let _ = write!(
                list,
                "[[defect]]\nnumber = {number}\narea = \"a\"\nwas = \"bad\"\nhere = \"good\"\n\
                 tests = [\"tests/a.rs::good\"]\n"
            );
        }
        let found = |list: &str| {
            let page = rendered(list).unwrap_or_default();
            check(&Tree::from_texts([(LIST, list), ("tests/a.rs", TESTS), (PAGE, &page)]))
        };
        assert_eq!(found(&list), []);
        let broken = list.replacen("::good", "::gone", 1);
        assert_eq!((found(&broken).len(), found(&broken)[0].line), (1, Some(2)));
        let other = list.replacen("a.rs", "b.rs", 1).replacen("[\"tests/a.rs::good\"]", "[]", 1);
        assert_eq!(found(&other).len(), 2);
        let fewer = list.replacen("number = 47", "number = 48", 1);
        assert_eq!(found(&fewer).len(), 1);
        assert_eq!(found("x = 1").len(), 1);
        let old = Tree::from_texts([(LIST, &*list), ("tests/a.rs", TESTS), (PAGE, "# Old\n")]);
        assert_eq!(check(&old).iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), [PAGE]);
    }
}
