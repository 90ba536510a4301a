//! Every link between the repository's own documents resolves, to the heading.
//!
//! Links to other sites are not followed: a check must pass without a network.

use crate::check::Finding;
use crate::check::tree::{Tree, is_fixture};

const RULE: &str = "links";

/// Reports Markdown links to files, folders or headings that are not there.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let documents = tree.texts().filter(|(path, _)| path.ends_with(".md") && !is_fixture(path));
    for (path, text) in documents {
        for (line, target) in links(text) {
            if let Some(message) = complaint(tree, path, target) {
                findings.push(Finding::line(RULE, path, line, message));
            }
        }
    }
    findings
}

/// Resolves a link written in the file `from`; `None` when it leaves the repository.
pub(crate) fn join(from: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

fn complaint(tree: &Tree, from: &str, link: &str) -> Option<String> {
    let elsewhere = ["http://", "https://", "mailto:"].iter().any(|start| link.starts_with(start));
    if elsewhere {
        return None;
    }
    let (file, heading) = link.split_once('#').map_or((link, None), |(f, h)| (f, Some(h)));
    let target = if file.is_empty() { Some(from.to_owned()) } else { join(from, file) };
    let Some(target) = target else {
        return Some(format!("`{link}` leaves the repository"));
    };
    if !tree.exists(&target) {
        return Some(format!("`{link}` leads to `{target}`, which is not there"));
    }
    let (heading, text) = (heading?, tree.text(&target)?);
    if !target.ends_with(".md")
        || prose(text).any(|(_, line)| slug(line).as_deref() == Some(heading))
    {
        return None;
    }
    Some(format!("`{link}`: `{target}` has no heading `#{heading}`"))
}

/// Lists the lines (from 1) outside fenced code.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            return None;
        }
        (!fenced).then_some((index + 1, line))
    })
}

/// Lists the targets of `[text](target)` and `[name]: target` with their lines.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        // Odd pieces between backticks are code.
        let mut code = false;
        let mut rest = line;
        while let Some(at) = rest.find(['`', ']']) {
            let after = &rest[at + 1..];
            if rest.as_bytes()[at] == b'`' {
                code = !code;
            } else if let (false, Some(inside)) = (code, after.strip_prefix('(')) {
                let target = inside.split([')', ' ']).next().unwrap_or_default();
                found.push((number, target.trim_matches(['<', '>'])));
            }
            rest = after;
        }
        if let Some((name, target)) = line.split_once("]: ")
            && name.starts_with('[')
            && !target.trim().is_empty()
        {
            found.push((number, target.split(' ').next().unwrap_or_default()));
        }
    }
    found
}

/// Gives the anchor that forges make of a heading line; `None` for other lines.
fn slug(line: &str) -> Option<String> {
    let title = line.trim_start_matches('#');
    if title.len() == line.len() || !title.starts_with(' ') {
        return None;
    }
    let kept = title.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    Some(kept.collect::<String>().to_lowercase().replace(' ', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn links_resolve_from_the_file_they_stand_in() {
        let text = "[a](../README.md) [b](decisions) [c](#two-words) [d](https://x.org/y)\n\n\
            ## Two `words`\n\n```text\n[in code](gone.md)\n```\n`[in code](gone.md)`\n";
        let tree = Tree::from_texts([
            ("README.md", "# Title\n[guide](docs/a.md#two-words)\n"),
            ("docs/a.md", text),
            ("docs/decisions/001-a.md", "# 001"),
        ]);
        assert_eq!(check(&tree), []);
    }

    #[test]
    fn broken_links_are_reported_with_their_lines() {
        let text = "[a](gone.md)\n[b](../../x)\n[c](a.md#gone)\n[d]: gone/too.md\n";
        let found = check(&Tree::from_texts([("docs/a.md", text)]));
        assert_eq!(found.iter().filter_map(|f| f.line).collect::<Vec<_>>(), [1, 2, 3, 4]);
    }

    proptest! {
        #[test]
        fn any_document_is_read(text in "[a\\[\\]()`#:\n. é/]{0,60}") {
            check(&Tree::from_texts([("docs/a.md", text.as_str())]));
        }
    }
}
