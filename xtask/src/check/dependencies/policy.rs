//! deny.toml as this check reads it: the keys it honours, typed.
//!
//! Keys of cargo-deny that only cargo-deny honours are accepted and left to it.

use std::collections::BTreeSet;

use serde::Deserialize;

/// The parts of deny.toml that are enforced here.
#[derive(Debug, Deserialize)]
pub(crate) struct Policy {
    /// Which targets are shipped.
    pub(crate) graph: GraphPolicy,
    /// How advisories are judged.
    pub(crate) advisories: AdvisoryPolicy,
    /// Which licences are accepted.
    pub(crate) licenses: LicencePolicy,
    /// Which packages are refused.
    pub(crate) bans: BanPolicy,
    /// Where packages may come from.
    pub(crate) sources: SourcePolicy,
}

/// `[graph]`.
#[derive(Debug, Deserialize)]
pub(crate) struct GraphPolicy {
    /// Target triples.
    pub(crate) targets: Vec<String>,
}

/// `[advisories]`.
#[derive(Debug, Deserialize)]
pub(crate) struct AdvisoryPolicy {
    /// Advisory ids that are known and answered.
    pub(crate) ignore: Vec<IgnoredAdvisory>,
    /// Whose unmaintained dependencies fail.
    #[serde(default = "AdvisoryScope::all")]
    pub(crate) unmaintained: AdvisoryScope,
    /// Whose unsound dependencies fail.
    #[serde(default = "AdvisoryScope::workspace")]
    pub(crate) unsound: AdvisoryScope,
}

/// One entry of `advisories.ignore`: cargo-deny also knows bare ids, but a reason is wanted here.
#[derive(Debug, Deserialize)]
pub(crate) struct IgnoredAdvisory {
    /// `RUSTSEC-YYYY-NNNN`.
    pub(crate) id: String,
    /// Why it cannot hurt, and what would remove it.
    pub(crate) reason: String,
}

/// Which packages a kind of advisory is judged for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AdvisoryScope {
    /// Every package.
    All,
    /// Packages that members name themselves.
    Workspace,
    /// Packages that members do not name themselves.
    Transitive,
    /// No package.
    None,
}

impl AdvisoryScope {
    fn all() -> Self {
        Self::All
    }

    fn workspace() -> Self {
        Self::Workspace
    }
}

/// `[licenses]`.
#[derive(Debug, Deserialize)]
pub(crate) struct LicencePolicy {
    /// Licences that any package may have.
    pub(crate) allow: BTreeSet<String>,
    /// Licences that single packages may have besides.
    #[serde(default)]
    pub(crate) exceptions: Vec<LicenceException>,
}

/// One entry of `licenses.exceptions`.
#[derive(Debug, Deserialize)]
pub(crate) struct LicenceException {
    /// The package.
    #[serde(rename = "crate")]
    pub(crate) package: String,
    /// What it may have.
    pub(crate) allow: BTreeSet<String>,
}

/// `[bans]`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct BanPolicy {
    /// What several versions of one package mean.
    pub(crate) multiple_versions: Level,
    /// What a version of `*` means.
    pub(crate) wildcards: Level,
    /// Packages that must not be there.
    pub(crate) deny: Vec<Banned>,
    /// Packages that may be there in several versions.
    #[serde(default)]
    pub(crate) skip: Vec<Skipped>,
}

/// One entry of `bans.deny`.
#[derive(Debug, Deserialize)]
pub(crate) struct Banned {
    /// The package.
    #[serde(rename = "crate")]
    pub(crate) package: String,
    /// Why it is refused.
    pub(crate) reason: String,
}

/// One entry of `bans.skip`.
#[derive(Debug, Deserialize)]
pub(crate) struct Skipped {
    /// The package.
    #[serde(rename = "crate")]
    pub(crate) package: String,
}

/// `[sources]`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct SourcePolicy {
    /// What another registry means.
    pub(crate) unknown_registry: Level,
    /// What a git source means.
    pub(crate) unknown_git: Level,
    /// The registries' indexes.
    pub(crate) allow_registry: BTreeSet<String>,
}

/// What a breach means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// The check fails.
    Deny,
    /// A note is printed.
    Warn,
    /// Nothing is said.
    Allow,
}

/// Why deny.toml could not be read.
#[derive(Debug, thiserror::Error)]
#[error("deny.toml is not as expected: {0}")]
pub(crate) struct PolicyError(#[from] toml::de::Error);

impl Policy {
    /// Parses the text of deny.toml.
    ///
    /// # Errors
    /// [`PolicyError`] with the line, when a key is missing or has another type.
    pub(crate) fn parse(text: &str) -> Result<Self, PolicyError> {
        Ok(toml::from_str(text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_policy_is_read() -> Result<(), PolicyError> {
        let policy = Policy::parse(include_str!("../../../../deny.toml"))?;
        assert!(policy.licenses.allow.contains("MIT"));
        assert_eq!(policy.sources.unknown_git, Level::Deny);
        assert!(policy.advisories.ignore.iter().all(|ignored| !ignored.reason.is_empty()));
        Ok(())
    }

    #[test]
    fn a_word_that_is_no_level_is_refused_with_its_place() {
        let text = include_str!("../../../../deny.toml").replace("\"deny\"", "\"denied\"");
        let error = Policy::parse(&text).expect_err("`denied` is no level");
        assert!(error.to_string().contains("denied"), "{error}");
    }
}
