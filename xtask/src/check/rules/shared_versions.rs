//! A package that two members use has its version in `[workspace.dependencies]`, once.

use std::collections::BTreeMap;

use crate::check::Finding;
use crate::check::manifests::Manifests;

const RULE: &str = "shared-versions";

/// Reports dependencies with a version of their own although another member uses the package too.
pub(crate) fn check(manifests: &Manifests) -> Vec<Finding> {
    let mut users: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for member in &manifests.members {
        for used in &member.dependencies {
            let names = users.entry(&used.package).or_default();
            if !names.contains(&member.name.as_str()) {
                names.push(&member.name);
            }
        }
    }
    let mut findings = Vec::new();
    for member in &manifests.members {
        for used in member.dependencies.iter().filter(|used| !used.inherited) {
            let ours = used.package.starts_with("sigil-");
            let names = &users[used.package.as_str()];
            if ours || names.len() > 1 {
                findings.push(Finding::line(
                    RULE,
                    &member.manifest,
                    used.line,
                    format!(
                        "`{}` is used by {}: put its version into `[workspace.dependencies]` and \
                         say `workspace = true` here",
                        used.package,
                        names.join(", ")
                    ),
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tree::Tree;

    fn findings(first: &str, second: &str) -> Vec<Finding> {
        let tree = Tree::from_texts([
            (
                "crates/a/Cargo.toml",
                format!("[package]\nname = \"a\"\n[dependencies]\n{first}").as_str(),
            ),
            (
                "crates/b/Cargo.toml",
                format!("[package]\nname = \"b\"\n[dependencies]\n{second}").as_str(),
            ),
        ]);
        check(&Manifests::read(&tree).0)
    }

    #[test]
    fn one_user_may_have_its_own_version() {
        assert_eq!(findings("tar = \"0.4\"", "half = { workspace = true }"), []);
    }

    #[test]
    fn two_users_share_one_version() {
        assert_eq!(findings("tar = \"0.4\"", "tar = { workspace = true }").len(), 1);
        assert_eq!(findings("tar = \"0.4\"", "tar = \"0.5\"").len(), 2);
        assert_eq!(findings("sigil-run = { path = \"../run\" }", "").len(), 1);
    }
}
