//! Decisions are numbered from 001 without gaps, titled like their files, and listed in docs.

use crate::check::Finding;
use crate::check::tree::Tree;

const RULE: &str = "decisions";
const FOLDER: &str = "docs/decisions/";
const INDEX: &str = "docs/README.md";

/// One page.
const MAX_LINES: usize = 80;

/// Reports gaps, wrong names, wrong titles, long texts, and decisions that the index lacks.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let index = tree.text(INDEX).unwrap_or_default();
    let files =
        tree.texts().filter_map(|(path, text)| Some((path, path.strip_prefix(FOLDER)?, text)));
    for (position, (path, name, text)) in files.enumerate() {
        let mut report = |message: String| findings.push(Finding::file(RULE, path, message));
        let number = format!("{:03}", position + 1);
        let named = name.strip_prefix(&number).and_then(|rest| rest.strip_prefix('-'));
        let named = named.and_then(|rest| rest.strip_suffix(".md"));
        if named.is_none_or(|title| title.is_empty() || title.contains(['/', ' '])) {
            report(format!("must be named `{number}-title-in-words.md`, the next number"));
        }
        if !text.starts_with(&format!("# {number}: ")) {
            report(format!("must open with `# {number}: ` and its title"));
        }
        if text.lines().count() > MAX_LINES {
            report(format!("is longer than one page ({MAX_LINES} lines)"));
        }
        if !index.contains(&format!("(decisions/{name})")) {
            report(format!("is not listed in {INDEX}"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(name: &str, text: &str) -> usize {
        let second = format!("{FOLDER}{name}");
        let index = format!("[1](decisions/001-a.md) [2](decisions/{name})");
        let texts = [("docs/decisions/001-a.md", "# 001: A\n"), (&*second, text), (INDEX, &*index)];
        check(&Tree::from_texts(texts)).len()
    }

    #[test]
    fn numbers_titles_and_length_are_checked() {
        assert_eq!(messages("002-b.md", "# 002: B\n"), 0);
        assert_eq!(messages("003-b.md", "# 003: B\n"), 2);
        assert_eq!(messages("002-b.md", "# B\n"), 1);
        assert_eq!(messages("002-b.txt", "# 002: B\n"), 1);
        assert_eq!(messages("002-b.md", &format!("# 002: B\n{}", "x\n".repeat(80))), 1);
    }

    #[test]
    fn a_decision_that_the_index_lacks_is_reported() {
        let found = check(&Tree::from_texts([("docs/decisions/001-a.md", "# 001: A\n")]));
        assert!(found.len() == 1 && found[0].message.contains(INDEX), "{found:?}");
    }
}
