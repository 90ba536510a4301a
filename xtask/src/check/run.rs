//! The list of rules, and the walk through it.

use std::path::Path;

use super::dependencies::{
    AdvisoriesError, Advisory, Graph, GraphError, Judgement, Policy, PolicyError, Reach,
    feature_sets, judge,
};
use super::finding::Finding;
use super::manifests::Manifests;
use super::rules;
use super::tree::{Tree, TreeError};

/// What a rule reads.
enum Reads {
    /// The files.
    Tree(fn(&Tree) -> Vec<Finding>),
    /// The Cargo.toml files.
    Manifests(fn(&Manifests) -> Vec<Finding>),
}

/// Every rule of the tree, with the promise it keeps.
const RULES: [(&str, Reads); 15] = [
    ("crates use each other along the arrows only", Reads::Manifests(rules::crate_arrows::check)),
    (
        "Burn, figment and the like have few users",
        Reads::Manifests(rules::reserved_packages::check),
    ),
    ("renames, processes, printing, environment", Reads::Tree(rules::reserved_calls::check)),
    ("members inherit metadata and lints", Reads::Manifests(rules::inheritance::check)),
    ("a shared version stands once", Reads::Manifests(rules::shared_versions::check)),
    ("Rust files are short, documented, named", Reads::Tree(rules::file_shape::check)),
    ("the top of the repository is fixed", Reads::Tree(rules::top_level::check)),
    ("no traces of one machine", Reads::Tree(rules::machine_traces::check)),
    ("presets name their schema", Reads::Tree(rules::presets::check)),
    ("Cargo.lock is committed", Reads::Tree(rules::lockfile::check)),
    ("links in documents resolve", Reads::Tree(rules::links::check)),
    ("commands in documents have flags that exist", Reads::Tree(rules::commands::check)),
    ("each defect of the predecessor has its test", Reads::Tree(rules::defects::check)),
    ("the changelog has its form", Reads::Tree(rules::changelog::check)),
    ("decisions are numbered and listed", Reads::Tree(rules::decisions::check)),
];

/// Why the check could not be made; a broken promise is not an error but a [`Finding`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CheckError {
    /// The files.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The dependencies.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// deny.toml.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The advisories.
    #[error(transparent)]
    Advisories(#[from] AdvisoriesError),
}

/// The outcome.
#[derive(Debug)]
pub(crate) struct Report {
    /// Broken promises, sorted by place.
    pub(crate) findings: Vec<Finding>,
    /// Lines worth saying although nothing is broken.
    pub(crate) notes: Vec<String>,
}

/// Checks the repository at `root`.
///
/// # Errors
/// [`CheckError`] when files, git or cargo do not answer.
pub(crate) fn check(root: &Path) -> Result<Report, CheckError> {
    let tree = Tree::load(root)?;
    let mut findings = check_tree(&tree);
    let policy = Policy::parse(tree.text("deny.toml").unwrap_or_default())?;
    let graph = Graph::load(root, &policy.graph.targets, Reach::Everything)?;
    let Judgement { findings: more, mut notes } = judge(&graph, &policy, &Advisory::committed()?);
    findings.extend(more);
    findings.extend(feature_sets(root, &graph)?);
    findings.sort();
    notes.push(format!("{} files, {} rules", tree.paths().count(), promises().lines().count()));
    Ok(Report { findings, notes })
}

/// Applies the rules that need no cargo.
fn check_tree(tree: &Tree) -> Vec<Finding> {
    let (manifests, mut findings) = Manifests::read(tree);
    for (_, reads) in &RULES {
        findings.extend(match reads {
            Reads::Tree(rule) => rule(tree),
            Reads::Manifests(rule) => rule(&manifests),
        });
    }
    findings
}

/// Lists the promises, one a line.
pub(crate) fn promises() -> String {
    let dependencies = ["licences", "bans", "sources", "advisories"]
        .map(|subject| format!("dependencies: {subject} as deny.toml says"));
    let rules = RULES.iter().map(|(promise, _)| (*promise).to_owned());
    let once = ["the tensor library is compiled once for all programs".to_owned()];
    rules.chain(dependencies).chain(once).map(|promise| promise + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A broken tree on disk breaks every rule that a tree can break.
    #[test]
    fn a_bad_folder_breaks_every_rule() -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        let manifest =
            "[package]\nname = \"sigil-run\"\n[dependencies]\nfigment = \"1\"\nsigil-data = {}\n";
        for (path, text) in [
            (".gitignore", "Cargo.lock\n"),
            ("README.md", "[gone](docs/gone.md) https://mirror.example.org/x\n"),
            ("CHANGELOG.md", "# Changelog\n"),
            ("configs/a.toml", "[model]\n"),
            ("docs/decisions/7.md", "# Seven\n"),
            ("docs/guides/a.md", "`sigil-x --gone`\n"),
            ("docs/reference/sigil-x.md", "# sigil-x\n"),
            ("crates/sigil-run/Cargo.toml", manifest),
            ("crates/sigil-run/src/utils.rs", "fn a() { println!() }\n"),
        ] {
            let full = root.path().join(path);
            std::fs::create_dir_all(full.parent().expect("every path above has a parent"))?;
            std::fs::write(full, text)?;
        }
        let findings = check_tree(&Tree::load(root.path())?);
        let broken: std::collections::BTreeSet<&str> = findings.iter().map(|f| f.rule).collect();
        assert_eq!(broken.len(), RULES.len(), "{broken:#?}");
        Ok(())
    }

    #[test]
    fn every_rule_of_the_folder_is_in_the_list() {
        let declared = include_str!("rules/mod.rs").matches("pub(crate) mod ").count();
        assert_eq!(declared, RULES.len());
        assert_eq!(promises().lines().count(), RULES.len() + 5);
    }
}
