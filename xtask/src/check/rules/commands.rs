//! Commands in documents have verbs and flags that the programs have.
//!
//! What a program has is read from its page in docs/reference, which a test of the program keeps current.
//! Commands are looked for in fenced and in inline code; what is no command of ours is passed over.

use crate::check::Finding;
use crate::check::tree::{Tree, is_fixture};

const RULE: &str = "commands";
const REFERENCE: &str = "docs/reference/";

/// Reports flags that no program has, at the line of the document.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let documents = tree.texts().filter(|(path, _)| {
        path.ends_with(".md") && !is_fixture(path) && !path.starts_with(REFERENCE)
    });
    for (path, text) in documents {
        for (line, command) in commands(text) {
            if let Some(message) = complaint(tree, &command) {
                findings.push(Finding::line(RULE, path, line, message));
            }
        }
    }
    findings
}

/// A program's name and the words behind it.
#[derive(Debug, PartialEq, Eq)]
struct Command {
    program: String,
    words: Vec<String>,
}

fn complaint(tree: &Tree, command: &Command) -> Option<String> {
    let Command { program, words } = command;
    let page = tree.text(&format!("{REFERENCE}{program}.md"))?;
    let help = section(page, program, words);
    let flags = words.iter().filter(|word| word.starts_with("--") && word.len() > 2);
    let mut names = flags.map(|flag| flag.split(['=', '[']).next().unwrap_or(flag));
    let unknown = names.find(|flag| !has(help, flag));
    unknown.map(|flag| format!("`{program}` has no `{flag}` there: see {REFERENCE}{program}.md"))
}

/// What the page says of the verb that the words begin with, or of the program itself.
fn section<'a>(page: &'a str, program: &str, words: &[String]) -> &'a str {
    let verbs: Vec<&str> =
        words.iter().map(String::as_str).take_while(|word| !word.starts_with('-')).collect();
    for count in (1..=verbs.len().min(2)).rev() {
        let heading = format!("\n## `{program} {}`\n", verbs[..count].join(" "));
        if let Some((_, rest)) = page.split_once(&heading) {
            return rest.split("\n## ").next().unwrap_or(rest);
        }
    }
    page.split("\n## ").next().unwrap_or(page)
}

fn has(help: &str, flag: &str) -> bool {
    help.match_indices(flag).any(|(at, _)| {
        let goes_on = |c: char| c == '-' || c.is_alphanumeric();
        !help[at + flag.len()..].starts_with(goes_on) && !help[..at].ends_with(goes_on)
    })
}

/// Commands of a document with their lines, from 1.
fn commands(text: &str) -> Vec<(usize, Command)> {
    let mut found = Vec::new();
    let (mut fenced, mut open) = (false, String::new());
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            open.clear();
        } else if fenced {
            // A line that ends in a backslash goes on.
            if let Some(part) = line.trim_end().strip_suffix('\\') {
                open.push_str(part);
                open.push(' ');
                continue;
            }
            open.push_str(line);
            found.extend(command(&open).map(|command| (index + 1, command)));
            open.clear();
        } else {
            let inline = line.split('`').skip(1).step_by(2).filter_map(command);
            found.extend(inline.map(|command| (index + 1, command)));
        }
    }
    found
}

/// Reads `sigil-x …`, `path/to/sigil-x …` or `cargo run … -p sigil-x -- …`; what follows is the shell's.
fn command(line: &str) -> Option<Command> {
    let line = line.split(" #").next().unwrap_or(line);
    let mut words = line.split_whitespace().map(str::to_owned);
    let first = words.find(|word| !word.contains('=') && word != "$")?;
    let mut rest: Vec<String> =
        words.take_while(|word| !matches!(word.as_str(), "|" | ">" | ">>" | "&&" | ";")).collect();
    let program = if first == "cargo" {
        let end = rest.iter().position(|word| word == "--")?;
        let behind = rest.split_off(end + 1);
        let package = rest.iter().skip_while(|word| *word != "-p").nth(1)?.clone();
        rest = behind;
        package.trim_end_matches("-cli").to_owned()
    } else {
        first.rsplit('/').next()?.to_owned()
    };
    program.starts_with("sigil-").then_some(Command { program, words: rest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PAGE: &str = "# sigil-x\n\n```text\n      --json  Print JSON\n```\n\n## `sigil-x go`\n\n\
        ```text\n      --fast[=<N>]  Faster\n```\n\n## `sigil-x go far`\n\n```text\n  --far-away\n```\n";

    fn lines(document: &str) -> Vec<Option<usize>> {
        let tree = Tree::from_texts([("docs/reference/sigil-x.md", PAGE), ("a.md", document)]);
        check(&tree).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn flags_that_programs_have_are_fine() {
        let text = "`sigil-x --json`, `sigil-x go --fast=3`, `sigil-other --any`, `--alone`\n\n```sh\n\
            A=1 target/release/sigil-x go far there \\\n    --far-away | grep --no-flag-of-ours\n\
            cargo run --release -p sigil-x-cli -- go --fast 3  # --not a flag\n```\n";
        assert_eq!(lines(text), []);
    }

    #[test]
    fn flags_that_no_program_has_are_reported() {
        assert_eq!(lines("one\n`sigil-x --jso`\n"), [Some(2)]);
        assert_eq!(lines("`sigil-x go --json`\n"), [Some(1)], "a flag of another verb");
        assert_eq!(lines("```sh\nsigil-x go far \\\n  --far\n```\n"), [Some(3)]);
    }

    proptest! {
        #[test]
        fn any_document_is_read(text in "[a`\\\\\n #=|-]{0,30}(sigil-x|cargo -p x --)?[a`\\\\\n -]{0,30}") {
            lines(&text);
        }
    }
}
