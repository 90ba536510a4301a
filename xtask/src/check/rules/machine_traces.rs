//! Committed text works on every machine: no one's folders, no one's registries, no secrets.
//!
//! Package registries are named only by their client's default; a mirror belongs into a machine's
//! own configuration.

use crate::check::Finding;
use crate::check::tree::Tree;

const RULE: &str = "machine-traces";

/// Starts of absolute paths that exist on one machine only.
const PRIVATE_FOLDERS: [&str; 7] =
    ["/home/", "/root/", "/Users/", "/work/", "/workspace/", "/builds/", "/tmp/target"];

/// Names that examples and tests give to a user; everyone sees that no such machine is meant.
const EXAMPLE_USERS: [&str; 6] = ["alice", "jo", "me", "someone", "user", "you"];

/// Words in a host that make it a package registry or a mirror of one.
const REGISTRY_WORDS: [&str; 7] =
    ["artifactory", "nexus", "mirror", "pypi", "pythonhosted", "npmjs", "registry"];

/// How keys and tokens of common services start, and how many word characters follow.
const SECRETS: [(&str, usize); 6] =
    [("hf_", 30), ("ghp_", 30), ("github_pat_", 30), ("AKIA", 16), ("xoxb-", 20), ("sk-", 40)];

/// This check names what it looks for.
const EXCEPTED: &str = "xtask/src/check/";

/// Reports machine-specific paths, registry hosts and things that look like secrets.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| !path.starts_with(EXCEPTED)) {
        for (index, line) in text.lines().enumerate() {
            let complaints =
                [private_folder(line), registry_host(line), private_key(line), secret(line)];
            for message in complaints.into_iter().flatten() {
                findings.push(Finding::line(RULE, path, index + 1, message));
            }
        }
    }
    findings
}

fn private_folder(line: &str) -> Option<String> {
    let folder = PRIVATE_FOLDERS.iter().find(|folder| {
        line.match_indices(**folder).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = &line[at + folder.len()..];
            !before.is_some_and(|c| c.is_alphanumeric() || "._-/~}>*)$".contains(c))
                && !EXAMPLE_USERS
                    .contains(&after.split(|c: char| !c.is_alphanumeric()).next().unwrap_or(""))
        })
    })?;
    Some(format!("`{folder}` is a folder of one machine: name the place relative to something"))
}

fn registry_host(line: &str) -> Option<String> {
    line.match_indices("://").find_map(|(at, _)| {
        let rest = &line[at + 3..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || ".-_@:".contains(c)));
        let host = rest[..end.unwrap_or(rest.len())].to_ascii_lowercase();
        let named = REGISTRY_WORDS.iter().any(|word| host.contains(word))
            || host.starts_with("deb.")
            || host.starts_with("proxy.");
        named.then(|| format!("`{host}` is a registry host: leave it to the client's default"))
    })
}

fn private_key(line: &str) -> Option<String> {
    let found = line.contains("-----BEGIN ") && line.contains("PRIVATE KEY");
    found.then(|| "a private key does not belong into a repository".to_owned())
}

fn secret(line: &str) -> Option<String> {
    let is_key = |c: &char| c.is_ascii_alphanumeric();
    let (start, _) = SECRETS.iter().find(|(start, length)| {
        line.match_indices(start).any(|(at, _)| {
            let joined = line[..at].chars().next_back().is_some_and(|c| c.is_ascii_alphanumeric());
            !joined && line[at + start.len()..].chars().take_while(is_key).count() >= *length
        })
    })?;
    Some(format!("looks like a secret (`{start}...`): revoke it, then remove it from history"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        let found = check(&Tree::from_texts([("docs/a.md", text)]));
        found.into_iter().filter_map(|finding| finding.line).collect()
    }

    #[test]
    fn folders_of_one_machine_are_reported() {
        assert_eq!(lines("see `/home/jdoe/x`\nand \"/work/main\"\n"), [1, 2]);
        assert_eq!(
            lines("https://example.org/work/x, docs/work/a, $HOME/work/b, ~/work/c, /home/you/d\n"),
            [0; 0]
        );
    }

    #[test]
    fn registry_hosts_are_reported_but_not_crates_io() {
        assert_eq!(lines("url = \"https://nexus.example.org/crates\"\n"), [1]);
        assert_eq!(
            lines("https://static.crates.io/crates/a and https://huggingface.co/b\n"),
            [0; 0]
        );
        assert_eq!(lines("registry+https://github.com/rust-lang/crates.io-index\n"), [0; 0]);
    }

    #[test]
    fn secrets_are_reported() {
        let token = format!("token = \"hf_{}\"", "aB3".repeat(11));
        assert_eq!(lines(&token), [1]);
        assert_eq!(lines("hf_hub_download, hf_short, task-sk-learn\n"), [0; 0]);
        assert_eq!(lines("-----BEGIN RSA PRIVATE KEY-----\n"), [1]);
    }
}
