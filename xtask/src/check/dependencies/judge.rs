//! Judges the graph by the policy: licences, bans, sources, advisories.
//!
//! Everything that is built is judged, tests and build scripts included; only releases
//! (`../../release/licences.rs`) look at what is shipped.

use std::collections::BTreeMap;

use super::advisories::{Advisory, AdvisoryKind};
use super::graph::{Graph, Package};
use super::policy::{AdvisoryScope, IgnoredAdvisory, Level, Policy};
use super::spdx::Expression;
use crate::check::Finding;

/// Where breaches are reported: the file that names the packages.
const LOCK: &str = "Cargo.lock";

/// What was found, and what is only worth a line.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    /// Breaches.
    pub(crate) findings: Vec<Finding>,
    /// Things that deny.toml wants to be said.
    pub(crate) notes: Vec<String>,
}

/// Judges every package within the graph's reach.
pub(crate) fn judge(graph: &Graph, policy: &Policy, advisories: &[Advisory]) -> Judgement {
    let packages = graph.foreign();
    let mut judgement = Judgement::default();
    for package in &packages {
        judgement.findings.extend(licence(package, policy));
        judgement.findings.extend(ban(package, policy));
        judgement.findings.extend(source(package, policy));
        judgement.findings.extend(advisory(graph, package, policy, advisories));
    }
    judgement.findings.extend(stale_answers(&packages, policy, advisories));
    judgement.several_versions(&packages, policy);
    judgement.wildcards(graph, policy);
    judgement
}

/// Tells whether a package may have this licence.
fn is_licence_allowed(policy: &Policy, package: &str, licence: &str) -> bool {
    let excepted = policy.licenses.exceptions.iter().filter(|e| e.package == package);
    policy.licenses.allow.contains(licence)
        || excepted.into_iter().any(|exception| exception.allow.contains(licence))
}

fn licence(package: &Package, policy: &Policy) -> Option<Finding> {
    let complaint = match package.license.as_deref().map(Expression::parse) {
        None => "has no licence expression".to_owned(),
        Some(Err(error)) => error.to_string(),
        Some(Ok(expression)) => {
            let allowed = |licence: &str| is_licence_allowed(policy, &package.name, licence);
            if expression.is_met(&allowed) {
                return None;
            }
            format!("`{expression}` is not met by the licences that deny.toml allows")
        }
    };
    Some(about("licences", package, &complaint))
}

fn ban(package: &Package, policy: &Policy) -> Option<Finding> {
    let banned = policy.bans.deny.iter().find(|banned| banned.package == package.name)?;
    Some(about("bans", package, &format!("is refused by deny.toml: {}", banned.reason)))
}

fn source(package: &Package, policy: &Policy) -> Option<Finding> {
    let source = package.source.as_deref().unwrap_or("path");
    let level = match source.split_once('+') {
        Some(("registry" | "sparse", url)) if policy.sources.allow_registry.contains(url) => {
            return None;
        }
        Some(("git", _)) => policy.sources.unknown_git,
        _ => policy.sources.unknown_registry,
    };
    (level == Level::Deny)
        .then(|| about("sources", package, &format!("comes from `{source}`, not from crates.io")))
}

fn advisory(
    graph: &Graph,
    package: &Package,
    policy: &Policy,
    advisories: &[Advisory],
) -> Vec<Finding> {
    let applies = |scope| match scope {
        AdvisoryScope::All => true,
        AdvisoryScope::Workspace => graph.is_direct(package),
        AdvisoryScope::Transitive => !graph.is_direct(package),
        AdvisoryScope::None => false,
    };
    advisories
        .iter()
        .filter(|advisory| advisory.affects(&package.name, &package.version))
        .filter(|advisory| !policy.advisories.ignore.iter().any(|known| known.id == advisory.id))
        .filter(|advisory| match advisory.kind {
            AdvisoryKind::Vulnerability => true,
            AdvisoryKind::Unsound => applies(policy.advisories.unsound),
            AdvisoryKind::Unmaintained => applies(policy.advisories.unmaintained),
            AdvisoryKind::Notice => false,
        })
        .map(|advisory| {
            let message = format!(
                "{:?}: see https://rustsec.org/advisories/{}; move to a version it does not name, \
                 or answer it in deny.toml",
                advisory.kind, advisory.id
            );
            about("advisories", package, &message)
        })
        .collect()
}

/// Reports answers in deny.toml that give no reason, or that no package needs any more.
fn stale_answers(packages: &[&Package], policy: &Policy, advisories: &[Advisory]) -> Vec<Finding> {
    let is_alive = |id: &str| {
        let mut known = advisories.iter().filter(|advisory| advisory.id == id);
        known.any(|advisory| packages.iter().any(|p| advisory.affects(&p.name, &p.version)))
    };
    let complaint = |ignored: &IgnoredAdvisory| {
        if ignored.reason.trim().is_empty() {
            return Some(format!("`{}` needs a reason", ignored.id));
        }
        let message = format!("`{}` affects no package any more: remove the entry", ignored.id);
        (!is_alive(&ignored.id)).then_some(message)
    };
    let complaints = policy.advisories.ignore.iter().filter_map(complaint);
    complaints.map(|message| Finding::file("advisories", "deny.toml", message)).collect()
}

fn about(rule: &'static str, package: &Package, message: &str) -> Finding {
    Finding::file(rule, LOCK, format!("`{} {}` {message}", package.name, package.version))
}

impl Judgement {
    fn several_versions(&mut self, packages: &[&Package], policy: &Policy) {
        let mut versions: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for package in packages {
            versions.entry(&package.name).or_default().push(package.version.to_string());
        }
        versions.retain(|name, list| {
            list.len() > 1 && !policy.bans.skip.iter().any(|skipped| skipped.package == *name)
        });
        match policy.bans.multiple_versions {
            Level::Deny => self.findings.extend(versions.iter().map(|(name, list)| {
                let message =
                    format!("`{name}` is there {} times: {}", list.len(), list.join(", "));
                Finding::file("bans", LOCK, message)
            })),
            Level::Warn if !versions.is_empty() => {
                self.notes
                    .push(format!("{} packages are there in several versions", versions.len()));
            }
            _ => {}
        }
    }

    fn wildcards(&mut self, graph: &Graph, policy: &Policy) {
        if policy.bans.wildcards != Level::Deny {
            return;
        }
        for member in graph.members() {
            for written in member.dependencies.iter().filter(|w| w.req == "*" && w.path.is_none()) {
                let message = format!("`{}` needs a version instead of `*`", written.name);
                self.findings.push(Finding::file("bans", &member.name, message));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a graph of one member, `ours`, that uses `package` 1.0.0 and nothing else.
    fn graph(package: &str, licence: &str, source: &str, req: &str) -> Graph {
        let json = serde_json::json!({
            "packages": [
                {"id": "ours", "name": "ours", "version": "0.1.0", "manifest_path": "Cargo.toml",
                 "dependencies": [{"name": package, "req": req}]},
                {"id": "its", "name": package, "version": "1.0.0", "manifest_path": "x/Cargo.toml",
                 "license": licence, "source": source, "dependencies": []},
            ],
            "workspace_members": ["ours"],
            "resolve": {"nodes": [
                {"id": "ours", "deps": [{"pkg": "its"}]},
                {"id": "its", "deps": []},
            ]},
        });
        let tree = format!("ours v0.1.0 (x)\n{package} v1.0.0\n");
        Graph::parse(json.to_string().as_bytes(), &tree).expect("the form of `cargo metadata`")
    }

    const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

    fn rules(graph: &Graph, advisories: &str) -> Vec<&'static str> {
        let mut policy = Policy::parse(include_str!("../../../../deny.toml")).expect("committed");
        policy.advisories.ignore.retain(|ignored| advisories.contains(&ignored.id));
        let advisories = Advisory::parse(advisories).expect("valid");
        judge(graph, &policy, &advisories).findings.iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn an_ordinary_package_is_fine() {
        assert_eq!(rules(&graph("half", "MIT OR GPL-3.0-only", CRATES_IO, "^1"), ""), [""; 0]);
    }

    #[test]
    fn licences_bans_sources_and_wildcards_are_judged() {
        assert_eq!(rules(&graph("half", "GPL-3.0-only", CRATES_IO, "^1"), ""), ["licences"]);
        assert_eq!(rules(&graph("half", "nonsense (", CRATES_IO, "^1"), ""), ["licences"]);
        assert_eq!(rules(&graph("colored", "MPL-2.0", CRATES_IO, "^1"), ""), [""; 0]);
        assert_eq!(rules(&graph("half", "MPL-2.0", CRATES_IO, "^1"), ""), ["licences"]);
        assert_eq!(rules(&graph("openssl-sys", "MIT", CRATES_IO, "^1"), ""), ["bans"]);
        let elsewhere = "registry+https://example.org/index";
        assert_eq!(rules(&graph("half", "MIT", elsewhere, "^1"), ""), ["sources"]);
        assert_eq!(
            rules(&graph("half", "MIT", "git+https://example.org/half", "^1"), ""),
            ["sources"]
        );
        assert_eq!(rules(&graph("half", "MIT", CRATES_IO, "*"), ""), ["bans"]);
    }

    #[test]
    fn advisories_are_judged_by_version_and_kind() {
        let graph = graph("half", "MIT", CRATES_IO, "^1");
        let line =
            |kind: &str, patched: &str| format!("RUSTSEC-2000-0001\thalf\t{kind}\t{patched}\t");
        assert_eq!(rules(&graph, &line("vulnerability", ">= 1.0.1")), ["advisories"]);
        assert_eq!(rules(&graph, &line("vulnerability", ">= 1.0.0")), [""; 0]);
        assert_eq!(rules(&graph, &line("unmaintained", "")), ["advisories"]);
        assert_eq!(rules(&graph, &line("notice", "")), [""; 0]);
    }

    #[test]
    fn an_answered_advisory_is_silent_until_nothing_has_it() {
        let list = "RUSTSEC-2024-0436\tpaste\tunmaintained\t\t";
        assert_eq!(rules(&graph("paste", "MIT", CRATES_IO, "^1"), list), [""; 0]);
        assert_eq!(rules(&graph("half", "MIT", CRATES_IO, "^1"), list), ["advisories"]);
    }
}
