//! CHANGELOG.md opens with what is not released yet, and every release has a date.

use crate::check::Finding;
use crate::check::tree::Tree;

const RULE: &str = "changelog";
const PATH: &str = "CHANGELOG.md";

/// Reports a missing `## [Unreleased]` and releases without `## [1.2.3] - 2026-01-31`.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(text) = tree.text(PATH) else {
        return vec![Finding::file(RULE, PATH, "missing")];
    };
    let mut findings = Vec::new();
    let mut releases = text
        .lines()
        .enumerate()
        .filter_map(|(index, line)| Some((index + 1, line.strip_prefix("## ")?)));
    match releases.next() {
        Some((_, "[Unreleased]")) => {}
        first => findings.push(Finding::line(
            RULE,
            PATH,
            first.map_or(1, |(line, _)| line),
            "the first section must be `## [Unreleased]`",
        )),
    }
    for (line, title) in releases.filter(|(_, title)| !is_dated(title)) {
        let message = format!("`{title}` must read `[1.2.3] - 2026-01-31`");
        findings.push(Finding::line(RULE, PATH, line, message));
    }
    findings
}

fn is_dated(title: &str) -> bool {
    let Some((version, date)) = title.split_once(" - ") else { return false };
    let version = version.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let shape = date.chars().map(|c| if c.is_ascii_digit() { '0' } else { c });
    version.is_some_and(|v| semver::Version::parse(v).is_ok()) && shape.eq("0000-00-00".chars())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        check(&Tree::from_texts([(PATH, text)])).iter().filter_map(|f| f.line).collect()
    }

    #[test]
    fn sections_are_checked() {
        assert_eq!(
            lines("# Changelog\n## [Unreleased]\n### Added\n## [0.1.0] - 2026-01-31\n"),
            [0; 0]
        );
        assert_eq!(lines("# Changelog\n## [0.1.0] - 2026-01-31\n"), [2]);
        assert_eq!(lines("# Changelog\n## [Unreleased]\n## 0.1.0\n"), [3]);
        assert_eq!(check(&Tree::default()).len(), 1);
    }
}
