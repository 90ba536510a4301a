//! Every member takes its metadata and lints from the workspace and is named like its folder.

use crate::check::Finding;
use crate::check::manifests::{Manifests, MemberKind, lookup};

const RULE: &str = "inheritance";

/// The keys of `[package]` that say `workspace = true`.
const INHERITED: [&str; 6] =
    ["version", "edition", "rust-version", "license", "authors", "publish"];

/// Reports members that set such a key themselves, or lack lints, a description, or their name.
pub(crate) fn check(manifests: &Manifests) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in &manifests.members {
        let mut report = |message| findings.push(Finding::file(RULE, &member.manifest, message));
        let says_true = |keys: &[&str]| {
            lookup(&member.table, keys).and_then(toml::Value::as_bool) == Some(true)
        };
        for key in INHERITED {
            if !says_true(&["package", key, "workspace"]) {
                report(format!("`[package]` needs `{key}.workspace = true`"));
            }
        }
        if !says_true(&["lints", "workspace"]) {
            report("`[lints]` needs `workspace = true`".to_owned());
        }
        let description = lookup(&member.table, &["package", "description"]);
        if description.and_then(toml::Value::as_str).is_none_or(str::is_empty) {
            report("`[package]` needs a `description` of one line".to_owned());
        }
        let folder = member.folder.rsplit('/').next().unwrap_or_default();
        let short_is_taken =
            member.kind == MemberKind::Binary && member.name == format!("{folder}-cli");
        if member.name != folder && !short_is_taken {
            report(format!("package `{}` is not named like its folder `{folder}`", member.name));
        }
    }
    for key in INHERITED {
        if lookup(&manifests.root, &["workspace", "package", key]).is_none() {
            findings.push(Finding::file(
                RULE,
                "Cargo.toml",
                format!("`[workspace.package]` needs `{key}`"),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tree::Tree;

    const ROOT: &str = "[workspace.package]\nversion = \"1.0.0\"\nedition = \"2024\"\n\
        rust-version = \"1.95\"\nlicense = \"MIT\"\nauthors = []\npublish = false\n";
    const GOOD: &str = "[package]\nname = \"sigil-run\"\ndescription = \"Runs\"\n\
        version.workspace = true\nedition.workspace = true\nrust-version.workspace = true\n\
        license.workspace = true\nauthors.workspace = true\npublish.workspace = true\n\
        [lints]\nworkspace = true\n";

    fn messages(folder: &str, text: &str) -> Vec<String> {
        let path = format!("{folder}/Cargo.toml");
        let tree = Tree::from_texts([("Cargo.toml", ROOT), (path.as_str(), text)]);
        check(&Manifests::read(&tree).0).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_member_that_inherits_all_is_fine() {
        assert_eq!(messages("crates/sigil-run", GOOD), [""; 0]);
        let named = GOOD.replace("\"sigil-run\"", "\"sigil-run-cli\"");
        assert_eq!(messages("bins/sigil-run", &named), [""; 0]);
    }

    #[test]
    fn an_own_licence_missing_lints_and_another_name_are_reported() {
        let own = GOOD.replace("license.workspace = true", "license = \"MIT\"");
        assert_eq!(
            messages("crates/sigil-run", &own),
            ["`[package]` needs `license.workspace = true`"]
        );
        let bare = GOOD.replace("[lints]\nworkspace = true\n", "");
        assert_eq!(messages("crates/sigil-run", &bare), ["`[lints]` needs `workspace = true`"]);
        assert_eq!(messages("crates/run", GOOD).len(), 1);
        assert_eq!(messages("crates/sigil-run", &GOOD.replace("\"Runs\"", "\"\"")).len(), 1);
    }
}
