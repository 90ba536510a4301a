//! The workspace's Cargo.toml files, read as data: who is a member and who uses what.
//!
//! Only what stands in the manifests; what cargo resolves from them is `dependencies/graph.rs`.

use super::finding::Finding;
use super::tree::Tree;

/// Name of the findings about manifests that cannot be read.
const RULE: &str = "manifests";

/// Which kind of member a package is, by its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemberKind {
    /// A library in `crates/`.
    Library,
    /// A program in `bins/`.
    Binary,
    /// The chores in `xtask/`.
    Xtask,
}

/// One line of a dependency table.
#[derive(Debug)]
pub(crate) struct Dependency {
    /// The package, after renames.
    pub(crate) package: String,
    /// Whether it says `workspace = true`.
    pub(crate) inherited: bool,
    /// Line in the manifest, from 1.
    pub(crate) line: usize,
}

/// One package of the workspace.
#[derive(Debug)]
pub(crate) struct Member {
    /// Folder below the root, such as `crates/sigil-run`.
    pub(crate) folder: String,
    /// Path of the manifest below the root.
    pub(crate) manifest: String,
    /// `package.name`.
    pub(crate) name: String,
    /// What kind of member it is.
    pub(crate) kind: MemberKind,
    /// Every dependency, in the order of the tables.
    pub(crate) dependencies: Vec<Dependency>,
    /// The whole manifest.
    pub(crate) table: toml::Table,
}

/// All manifests of the workspace.
#[derive(Debug, Default)]
pub(crate) struct Manifests {
    /// The members, sorted by folder.
    pub(crate) members: Vec<Member>,
    /// The root manifest.
    pub(crate) root: toml::Table,
}

impl Manifests {
    /// Reads every manifest of the tree; what cannot be read becomes a finding.
    pub(crate) fn read(tree: &Tree) -> (Self, Vec<Finding>) {
        let mut findings = Vec::new();
        let mut parse = |path: &str| {
            let text = tree.text(path)?;
            match text.parse::<toml::Table>() {
                Ok(table) => Some((text, table)),
                Err(error) => {
                    findings.push(Finding::file(RULE, path, error.message().to_owned()));
                    None
                }
            }
        };
        let root = parse("Cargo.toml").map(|(_, table)| table).unwrap_or_default();
        let mut members = Vec::new();
        for path in tree.paths() {
            let Some((folder, kind)) = member_folder(path) else { continue };
            let Some((text, table)) = parse(path) else { continue };
            let name = lookup(&table, &["package", "name"]).and_then(toml::Value::as_str);
            members.push(Member {
                folder: folder.to_owned(),
                manifest: path.to_owned(),
                name: name.unwrap_or_default().to_owned(),
                kind,
                dependencies: dependencies(&table, text, &root),
                table,
            });
        }
        (Self { members, root }, findings)
    }
}

/// Follows keys through nested tables.
pub(crate) fn lookup<'t>(table: &'t toml::Table, keys: &[&str]) -> Option<&'t toml::Value> {
    let (first, rest) = keys.split_first()?;
    let value = table.get(*first)?;
    if rest.is_empty() { Some(value) } else { lookup(value.as_table()?, rest) }
}

fn member_folder(path: &str) -> Option<(&str, MemberKind)> {
    let folder = path.strip_suffix("/Cargo.toml")?;
    match folder.split('/').collect::<Vec<_>>()[..] {
        ["crates", _] => Some((folder, MemberKind::Library)),
        ["bins", _] => Some((folder, MemberKind::Binary)),
        ["xtask"] => Some((folder, MemberKind::Xtask)),
        _ => None,
    }
}

fn dependencies(table: &toml::Table, text: &str, root: &toml::Table) -> Vec<Dependency> {
    let mut found = Vec::new();
    let mut tables = vec![table];
    if let Some(targets) = table.get("target").and_then(toml::Value::as_table) {
        tables.extend(targets.values().filter_map(toml::Value::as_table));
    }
    for table in tables {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(entries) = table.get(section).and_then(toml::Value::as_table) else {
                continue;
            };
            for (key, value) in entries {
                let inherited =
                    lookup_value(value, "workspace").and_then(toml::Value::as_bool) == Some(true);
                let described = if inherited {
                    lookup(root, &["workspace", "dependencies", key])
                } else {
                    Some(value)
                };
                let package = described
                    .and_then(|value| lookup_value(value, "package"))
                    .and_then(toml::Value::as_str)
                    .unwrap_or(key);
                found.push(Dependency {
                    package: package.to_owned(),
                    inherited,
                    line: line_of_key(text, section, key),
                });
            }
        }
    }
    found
}

fn lookup_value<'t>(value: &'t toml::Value, key: &str) -> Option<&'t toml::Value> {
    value.as_table()?.get(key)
}

/// Finds the line of a key below its section's header; 1 where it is written in another way.
fn line_of_key(text: &str, section: &str, key: &str) -> usize {
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            inside = header == section || header.ends_with(&format!(".{section}"));
            if header.ends_with(&format!("{section}.{key}")) {
                return index + 1;
            }
        }
        let after = line.strip_prefix(key).map(|rest| rest.trim_start().chars().next());
        if inside && matches!(after, Some(Some('=' | '.'))) {
            return index + 1;
        }
    }
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_their_dependencies_are_read() {
        let tree = Tree::from_texts([
            ("Cargo.toml", "[workspace.dependencies]\nshort = { package = \"real-name\" }\n"),
            (
                "crates/a/Cargo.toml",
                "[package]\nname = \"a\"\n[dependencies]\nshort.workspace = true\n\
                 [target.'cfg(unix)'.dev-dependencies]\nlibc = \"0.2\"\n",
            ),
            ("crates/a/fixtures/b/Cargo.toml", "not read"),
        ]);
        let (manifests, findings) = Manifests::read(&tree);
        assert_eq!(findings, []);
        let [member] = &manifests.members[..] else { panic!("one member, got {manifests:?}") };
        assert_eq!((member.name.as_str(), member.kind), ("a", MemberKind::Library));
        let [short, libc] = &member.dependencies[..] else { panic!("two dependencies") };
        assert_eq!((short.package.as_str(), short.inherited, short.line), ("real-name", true, 4));
        assert_eq!((libc.package.as_str(), libc.inherited, libc.line), ("libc", false, 6));
    }

    #[test]
    fn a_manifest_that_does_not_parse_is_a_finding() {
        let (_, findings) = Manifests::read(&Tree::from_texts([("crates/a/Cargo.toml", "[x")]));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].path, "crates/a/Cargo.toml");
    }
}
