//! The packages that cargo resolves for this workspace, from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use semver::Version;
use serde::Deserialize;

/// One resolved package, of ours or from a registry.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Package {
    /// Cargo's own name for exactly this package.
    pub(crate) id: String,
    /// The name.
    pub(crate) name: String,
    /// The version.
    pub(crate) version: Version,
    /// The licence expression, as its Cargo.toml has it.
    pub(crate) license: Option<String>,
    /// `registry+URL` or `git+URL`; none for members.
    pub(crate) source: Option<String>,
    /// The authors, for licence texts that want them.
    #[serde(default)]
    pub(crate) authors: Vec<String>,
    /// Where its source lives.
    pub(crate) repository: Option<String>,
    /// Its Cargo.toml on this machine.
    pub(crate) manifest_path: PathBuf,
    /// Its dependencies as written.
    pub(crate) dependencies: Vec<Written>,
    /// What it builds.
    #[serde(default)]
    pub(crate) targets: Vec<Target>,
}

impl Package {
    /// Tells whether it builds a program.
    pub(crate) fn is_program(&self) -> bool {
        self.targets.iter().any(|target| target.kind.iter().any(|kind| kind == "bin"))
    }
}

/// One thing that a package builds.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Target {
    /// `lib`, `bin`, `test` and so on.
    pub(crate) kind: Vec<String>,
}

/// A dependency as a manifest writes it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Written {
    /// The package.
    pub(crate) name: String,
    /// The version requirement.
    pub(crate) req: String,
    /// The folder, for members.
    pub(crate) path: Option<PathBuf>,
}

/// Which packages to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Those that end up in a program.
    Programs,
    /// Those of build scripts, macros, tests and chores too.
    Everything,
}

/// The resolved packages.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    packages: BTreeMap<String, Package>,
    members: BTreeSet<String>,
    /// Ids of packages that a member names itself.
    direct: BTreeSet<String>,
    /// Name and version of what is really compiled.
    built: BTreeSet<(String, Version)>,
}

/// Why the graph could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum GraphError {
    /// Cargo did not answer.
    #[error("`cargo {verb} --locked` failed: {answer}")]
    Cargo {
        /// The verb.
        verb: &'static str,
        /// What cargo said, or why it did not start.
        answer: String,
    },
    /// Cargo's answer was not understood.
    #[error("`cargo metadata` answered in another form")]
    Form(#[from] serde_json::Error),
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    pkg: String,
}

impl Graph {
    /// Asks cargo for the packages of the workspace at `root` on `targets`, with Cargo.lock as it is.
    ///
    /// `cargo metadata` also lists optional packages that no feature turns on; `cargo tree` knows
    /// which ones are compiled, so both are asked.
    ///
    /// # Errors
    /// [`GraphError`]; a Cargo.lock that is not current is one.
    pub(crate) fn load(root: &Path, targets: &[String], reach: Reach) -> Result<Self, GraphError> {
        let mut arguments = vec!["--format-version", "1"];
        arguments.extend(targets.iter().flat_map(|target| ["--filter-platform", target]));
        let metadata = ask(root, "metadata", &arguments)?;
        let mut arguments = vec!["--workspace", "--prefix", "none", "--format", "{p}"];
        arguments.extend(match reach {
            Reach::Programs => ["--edges", "normal,no-proc-macro", "--exclude", "xtask"],
            Reach::Everything => ["--edges", "normal,build,dev", "--charset", "ascii"],
        });
        arguments.extend(targets.iter().flat_map(|target| ["--target", target]));
        let tree = ask(root, "tree", &arguments)?;
        Self::parse(&metadata, &String::from_utf8_lossy(&tree))
    }

    /// Reads what `cargo metadata --format-version 1` and `cargo tree --prefix none` print.
    ///
    /// # Errors
    /// [`GraphError::Form`].
    pub(crate) fn parse(metadata: &[u8], tree: &str) -> Result<Self, GraphError> {
        let metadata: Metadata = serde_json::from_slice(metadata)?;
        let members: BTreeSet<String> = metadata.workspace_members.into_iter().collect();
        let nodes = metadata.resolve.nodes.into_iter().filter(|node| members.contains(&node.id));
        Ok(Self {
            direct: nodes.flat_map(|node| node.deps).map(|edge| edge.pkg).collect(),
            packages: metadata.packages.into_iter().map(|p| (p.id.clone(), p)).collect(),
            built: tree.lines().filter_map(name_and_version).collect(),
            members,
        })
    }

    /// Lists the members of the workspace.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.members.iter().filter_map(|id| self.packages.get(id))
    }

    /// Lists the packages within reach that are not members, sorted by name and version.
    pub(crate) fn foreign(&self) -> Vec<&Package> {
        let mut found: Vec<&Package> = self
            .packages
            .values()
            .filter(|package| !self.members.contains(&package.id))
            .filter(|package| self.built.contains(&(package.name.clone(), package.version.clone())))
            .collect();
        found.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        found
    }

    /// Tells whether a member names this package itself.
    pub(crate) fn is_direct(&self, package: &Package) -> bool {
        self.direct.contains(&package.id)
    }
}

/// Asks cargo, with Cargo.lock as it is.
///
/// # Errors
/// [`GraphError::Cargo`].
pub(super) fn ask(
    root: &Path,
    verb: &'static str,
    arguments: &[&str],
) -> Result<Vec<u8>, GraphError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([verb, "--locked"])
        .args(arguments)
        .current_dir(root)
        .output()
        .map_err(|error| GraphError::Cargo { verb, answer: error.to_string() })?;
    if !output.status.success() {
        let answer = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(GraphError::Cargo { verb, answer });
    }
    Ok(output.stdout)
}

/// Reads a line such as `tar v0.4.46` or `paste v1.0.15 (proc-macro) (*)`.
fn name_and_version(line: &str) -> Option<(String, Version)> {
    let mut words = line.split(' ');
    let (name, version) = (words.next()?, words.next()?);
    Some((name.to_owned(), Version::parse(version.strip_prefix('v')?).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_compiled_counts() -> Result<(), GraphError> {
        let package = |name: &str| {
            serde_json::json!({"id": name, "name": name, "version": "1.0.0", "dependencies": [],
                "manifest_path": format!("{name}/Cargo.toml")})
        };
        let metadata = serde_json::json!({
            "packages": [package("ours"), package("optional"), package("used"), package("deep")],
            "workspace_members": ["ours"],
            "resolve": {"nodes": [
                {"id": "ours", "deps": [{"pkg": "used"}, {"pkg": "optional"}]},
                {"id": "used", "deps": [{"pkg": "deep"}]},
            ]},
        });
        let tree = "ours v1.0.0 (ours)\nused v1.0.0\ndeep v1.0.0 (proc-macro)\nused v1.0.0 (*)\n";
        let graph = Graph::parse(metadata.to_string().as_bytes(), tree)?;
        let found = graph.foreign();
        assert_eq!(found.iter().map(|package| &package.name).collect::<Vec<_>>(), ["deep", "used"]);
        assert!(!graph.is_direct(found[0]) && graph.is_direct(found[1]));
        assert_eq!(graph.members().count(), 1);
        assert!(Graph::parse(b"{}", tree).is_err());
        Ok(())
    }

    #[test]
    fn lines_of_cargo_tree_are_read() {
        let read = |line| name_and_version(line).map(|(name, version)| format!("{name} {version}"));
        assert_eq!(read("tar v0.4.46"), Some("tar 0.4.46".to_owned()));
        assert_eq!(read("paste v1.0.15 (proc-macro) (*)"), Some("paste 1.0.15".to_owned()));
        assert_eq!(read("[dev-dependencies]"), None);
        assert_eq!(read(""), None);
    }
}
