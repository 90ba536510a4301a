//! Crates use each other only along the arrows of docs/architecture.md.
//!
//! Binaries and xtask may use any crate. Tests (`[dev-dependencies]`) follow the same arrows, so
//! that a crate can be tested as it is shipped.

use crate::check::Finding;
use crate::check::manifests::{Manifests, MemberKind};

const RULE: &str = "crate-arrows";

/// Each crate with the crates it may use, lowest first.
pub(crate) const ARROWS: [(&str, &[&str]); 16] = [
    ("sigil-config", &[]),
    ("sigil-filter", &[]),
    ("sigil-kernels", &[]),
    // It carries bytes and knows nothing of what they mean.
    ("sigil-queue", &[]),
    ("sigil-report", &[]),
    ("sigil-run", &[]),
    ("sigil-sandbox", &[]),
    ("sigil-weights", &[]),
    ("sigil-adapter", &["sigil-config", "sigil-report", "sigil-run", "sigil-weights"]),
    ("sigil-data", &["sigil-config", "sigil-filter"]),
    // For binaries: no library may have it.
    ("sigil-places", &["sigil-config"]),
    // It calls `sigil-train` for every run, so it knows neither model nor training.
    ("sigil-sweep", &["sigil-config", "sigil-report", "sigil-run"]),
    ("sigil-model", &["sigil-kernels", "sigil-weights"]),
    ("sigil-eval", &["sigil-filter", "sigil-report", "sigil-run", "sigil-sandbox"]),
    (
        "sigil-qlora",
        &[
            "sigil-config",
            "sigil-data",
            "sigil-kernels",
            "sigil-model",
            "sigil-run",
            "sigil-weights",
        ],
    ),
    (
        "sigil-expert",
        // It calls the programs for what needs a model, so it knows neither model nor training.
        &["sigil-config", "sigil-data", "sigil-eval", "sigil-run"],
    ),
];

/// Reports crates that are not in [`ARROWS`] and uses that no arrow allows.
pub(crate) fn check(manifests: &Manifests) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in manifests.members.iter().filter(|member| member.kind == MemberKind::Library) {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == member.name) else {
            findings.push(Finding::file(
                RULE,
                &member.manifest,
                format!(
                    "crate `{}` has no place in the map: add it to ARROWS in xtask and to \
                     docs/architecture.md",
                    member.name
                ),
            ));
            continue;
        };
        for used in &member.dependencies {
            let ours = used.package.starts_with("sigil-");
            if ours && used.package != member.name && !allowed.contains(&used.package.as_str()) {
                findings.push(Finding::line(
                    RULE,
                    &member.manifest,
                    used.line,
                    format!(
                        "`{}` may not use `{}`; it may use {}",
                        member.name,
                        used.package,
                        if allowed.is_empty() {
                            "no other crate".into()
                        } else {
                            allowed.join(", ")
                        }
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

    fn findings(path: &str, text: &str) -> Vec<Finding> {
        check(&Manifests::read(&Tree::from_texts([(path, text)])).0)
    }

    #[test]
    fn an_arrow_that_exists_is_allowed() {
        let text = "[package]\nname = \"sigil-model\"\n[dependencies]\nsigil-weights = { workspace = true }\n";
        assert_eq!(findings("crates/sigil-model/Cargo.toml", text), []);
    }

    #[test]
    fn an_arrow_upwards_is_reported_with_its_line() {
        let text = "[package]\nname = \"sigil-kernels\"\n[dev-dependencies]\nsigil-model = { workspace = true }\n";
        let found = findings("crates/sigil-kernels/Cargo.toml", text);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, Some(4));
        assert!(found[0].message.contains("no other crate"), "{}", found[0]);
    }

    #[test]
    fn an_unknown_crate_is_reported_and_a_binary_may_use_anything() {
        assert_eq!(
            findings("crates/sigil-new/Cargo.toml", "[package]\nname = \"sigil-new\"").len(),
            1
        );
        let text = "[package]\nname = \"sigil-train\"\n[dependencies]\nsigil-expert = {}\n";
        assert_eq!(findings("bins/sigil-train/Cargo.toml", text), []);
    }

    #[test]
    fn the_map_has_no_circle() {
        // A crate may only use crates that stand above it in the list.
        for (index, (name, used)) in ARROWS.iter().enumerate() {
            for package in *used {
                let at = ARROWS.iter().position(|(known, _)| known == package);
                assert!(at.is_some_and(|at| at < index), "{name} uses {package}");
            }
        }
    }
}
