//! Some packages are known to few crates only, so that they can be replaced there.
//!
//! Direct dependencies are judged: what a crate gets through another crate's API is that API.

use crate::check::Finding;
use crate::check::manifests::Manifests;

const RULE: &str = "reserved-packages";

/// Packages (a trailing `*` stands for any ending), who may use them, and why only they.
struct Reserved {
    packages: &'static [&'static str],
    users: &'static [&'static str],
    why: &'static str,
}

const RESERVED: [Reserved; 4] = [
    Reserved {
        packages: &["burn", "burn-*", "cubecl", "cubecl-*", "cubek", "cubek-*"],
        users: &["sigil-kernels", "sigil-model", "sigil-qlora"],
        why: "the tensor library stays behind three crates, so that its next release is one move",
    },
    Reserved {
        packages: &["figment"],
        users: &["sigil-config"],
        why: "how settings are layered is the business of one crate",
    },
    Reserved {
        packages: &["async-nats", "tokio", "tokio-*", "futures", "futures-*"],
        users: &["sigil-queue"],
        why: "waiting for a server is the business of one crate; everything else blocks",
    },
    Reserved {
        packages: &["anyhow", "eyre", "color-eyre"],
        users: &[],
        why: "an error says what happened by its type: use `thiserror`, and `miette` in binaries",
    },
];

/// Reports direct dependencies on packages reserved for other crates.
pub(crate) fn check(manifests: &Manifests) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in &manifests.members {
        for used in &member.dependencies {
            for reserved in &RESERVED {
                let named = reserved.packages.iter().any(|name| matches(name, &used.package));
                if named && !reserved.users.contains(&member.name.as_str()) {
                    findings.push(Finding::line(
                        RULE,
                        &member.manifest,
                        used.line,
                        format!(
                            "`{}` may not use `{}`: {}",
                            member.name, used.package, reserved.why
                        ),
                    ));
                }
            }
        }
    }
    findings
}

fn matches(pattern: &str, package: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => package.starts_with(start),
        None => package == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tree::Tree;

    fn messages(name: &str, used: &str) -> Vec<String> {
        let path = format!("crates/{name}/Cargo.toml");
        let text = format!("[package]\nname = \"{name}\"\n[dependencies]\n{used} = \"1\"\n");
        let tree = Tree::from_texts([(path.as_str(), text.as_str())]);
        check(&Manifests::read(&tree).0).into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn burn_is_for_three_crates() {
        assert_eq!(messages("sigil-kernels", "burn-flex"), [""; 0]);
        let found = messages("sigil-data", "burn-flex");
        assert!(found.len() == 1 && found[0].contains("Cargo.toml:4"), "{found:?}");
    }

    #[test]
    fn figment_and_anyhow_are_reported() {
        assert_eq!(messages("sigil-config", "figment"), [""; 0]);
        assert_eq!(messages("sigil-run", "figment").len(), 1);
        assert_eq!(messages("sigil-config", "anyhow").len(), 1);
        assert_eq!(messages("sigil-run", "burnt"), [""; 0]);
    }
}
