//! The promise that the tensor library is compiled once, whichever program cargo is asked for.
//!
//! Cargo resolves features for the packages it is asked to build: `cargo run -p sigil-train` and
//! `cargo test --workspace` compile Burn twice if a crate that only xtask uses turns on one more
//! feature of a package deep below Burn. The reasons: docs/decisions/002.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::graph::{Graph, GraphError, ask};
use crate::check::Finding;

/// Name of this rule in reports.
const RULE: &str = "feature-sets";

/// The crate below which everything is too dear to compile twice.
const DEAR: &str = "sigil-kernels";

/// A package as built: name, version and features, for programs and for build scripts.
type Built = BTreeMap<String, BTreeSet<String>>;

/// Compares each program's features with the whole workspace's.
///
/// # Errors
/// [`GraphError`] when cargo does not answer.
pub(crate) fn feature_sets(root: &Path, graph: &Graph) -> Result<Vec<Finding>, GraphError> {
    if !graph.members().any(|member| member.name == DEAR) {
        return Ok(Vec::new());
    }
    let tree = |selection: &[&str]| -> Result<String, GraphError> {
        let shown = ["--edges", "normal,build", "--prefix", "none", "--format", "{p} [{f}]"];
        let answer = ask(root, "tree", &[selection, &shown].concat())?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let whole = parse(&tree(&["--workspace"])?);
    let dear: BTreeSet<String> = parse(&tree(&["--package", DEAR])?).into_keys().collect();
    let mut findings = Vec::new();
    for member in graph.members().filter(|member| member.is_program()) {
        let alone = tree(&["--package", &member.name])?;
        // The others compile no tensor library.
        if alone.contains(&format!("{DEAR} v")) {
            findings.extend(compare(&member.name, &parse(&alone), &whole, &dear));
        }
    }
    Ok(findings)
}

/// Reports the packages below the tensor library that the program would build anew.
fn compare(program: &str, alone: &Built, whole: &Built, dear: &BTreeSet<String>) -> Vec<Finding> {
    let differs = |(package, features): &(&String, &BTreeSet<String>)| {
        dear.contains(*package) && whole.get(*package).is_none_or(|all| !features.is_subset(all))
    };
    let report = |(package, features): (&String, &BTreeSet<String>)| {
        let list = |sets: &BTreeSet<String>| sets.iter().cloned().collect::<Vec<_>>().join(" or ");
        let all = whole.get(package).map(list).unwrap_or_default();
        let message = format!(
            "`{package}` is built with {} for `{program}` and with {all} for the workspace: cargo \
             would compile the tensor library twice; turn the missing features on in {DEAR}, or do \
             without the crate that adds them",
            list(features)
        );
        Finding::file(RULE, "Cargo.toml", message)
    };
    alone.iter().filter(differs).map(report).collect()
}

/// Reads lines such as `half v2.7.1 [alloc,std] (*)`; members are left out.
fn parse(tree: &str) -> Built {
    let mut built = Built::new();
    for line in tree.lines().filter(|line| !line.contains(" (/")) {
        let Some((package, rest)) = line.split_once(" [") else { continue };
        let Some((features, _)) = rest.split_once(']') else { continue };
        let package = package.trim_end_matches(" (proc-macro)").to_owned();
        built.entry(package).or_default().insert(format!("[{features}]"));
    }
    built
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_that_one_program_lacks_is_found() {
        let whole = parse(
            "ours v0.1.0 (/some/where) []\nobject v0.40.0 [elf,std]\nhalf v2.7.1 [std] (*)\n\
             derive v1.0.0 (proc-macro) []\nclap v4.6.0 [derive]\n",
        );
        let alone = parse("object v0.40.0 [elf]\nhalf v2.7.1 [std]\nclap v4.6.0 []\n");
        let dear = ["object v0.40.0", "half v2.7.1"].map(str::to_owned).into();
        let findings = compare("sigil-train", &alone, &whole, &dear);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].message.contains("`object v0.40.0` is built with [elf] for"));
        assert!(compare("sigil-train", &whole, &whole, &dear).is_empty());
    }

    #[test]
    fn a_build_script_may_have_features_of_its_own() {
        let whole = parse("serde v1.0.0 [std]\nserde v1.0.0 [alloc]\n");
        let alone = parse("serde v1.0.0 [alloc]\n");
        let dear = [String::from("serde v1.0.0")].into();
        assert!(compare("xtask", &alone, &whole, &dear).is_empty());
    }
}
