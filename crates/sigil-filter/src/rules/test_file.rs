//! Drops test code, cuts it out, or lets it be.
//!
//! What counts: the path; attributes such as `#[test]` and `#[tokio::test]`; conditions that hold in
//! tests only, such as `cfg(test)` and `cfg(all(test, unix))` but not `cfg(any(test, unix))`; and
//! macros whose bodies are tests. Next: `../reading/condition.rs`.

use super::path::{has_folder, names};
use super::rule::{Evidence, Gate, Needs, Rule, check_share, settings};
use crate::digest::Canonical;
use crate::facts::TreeFacts;
use crate::outline::Outline;
use crate::{Edit, Reason, RuleSetError};

const ID: &str = "test_file";

/// What happens to a row with test code in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum TestMode {
    /// It is dropped.
    #[default]
    Reject,
    /// The test code is cut out, with its attributes and documentation; the rest is kept.
    Strip,
    /// It is kept as it is. Paths still count.
    Keep,
}

impl Canonical for TestMode {
    fn write(&self, out: &mut String) {
        out.push_str(match self {
            Self::Reject => "reject",
            Self::Strip => "strip",
            Self::Keep => "keep",
        });
    }
}

settings! {
    /// Drops rows that are or hold test code.
    pub struct TestFile {
        /// Names of folders whose files are test code as a whole.
        pub folders: Vec<String> = names(&["test", "tests"]),
        /// What happens to test code elsewhere.
        pub mode: TestMode = TestMode::Reject,
        /// In mode `reject`: the share of bytes that must be test code; zero for any.
        pub min_share: f64 = 0.0,
    }
}

impl TestFile {
    fn reason(&self, facts: &TreeFacts) -> Reason {
        let share = facts.test_bytes() as f64 / facts.bytes.max(1) as f64;
        Reason::measured(ID, share, self.min_share).at(facts.test_spans.first().copied())
    }
}

impl Rule for TestFile {
    fn needs(&self) -> Needs {
        if self.mode == TestMode::Keep { Needs::default() } else { Needs::ATTRIBUTES }
    }

    fn by_bytes(&self, evidence: &Evidence<'_>) -> Gate {
        if has_folder(evidence.row.path, &self.folders) {
            return Gate::Fail(Reason::named(ID));
        }
        // Every attribute, option and macro that counts has one of these words in its name.
        let source = evidence.source.as_bytes();
        let word = memchr::memmem::find(source, b"test").is_some()
            || memchr::memmem::find(source, b"quickcheck").is_some();
        if self.mode != TestMode::Keep && word { Gate::Unknown } else { Gate::Pass }
    }

    fn by_outline(&self, _: &Evidence<'_>, outline: &Outline) -> Gate {
        match (outline.has_tests(), self.mode) {
            (false, _) => Gate::Pass,
            (true, TestMode::Reject) if self.min_share <= 0.0 => Gate::Fail(Reason::named(ID)),
            (true, _) => Gate::Unknown,
        }
    }

    fn by_tree(&self, _: &Evidence<'_>, facts: &TreeFacts) -> Option<Reason> {
        let found = facts.test_attributes + facts.test_conditions > 0;
        let enough = facts.test_bytes() as f64 >= self.min_share * facts.bytes as f64;
        let everything = facts.test_bytes() >= facts.bytes;
        let dropped = match self.mode {
            TestMode::Reject => found && enough,
            TestMode::Strip => found && everything,
            TestMode::Keep => false,
        };
        dropped.then(|| self.reason(facts))
    }

    fn edit(&self, facts: &TreeFacts, edits: &mut Vec<Edit>) {
        if self.mode == TestMode::Strip {
            let spans = facts.test_spans.iter().copied();
            edits.extend(spans.map(|span| Edit { rule: ID, span, replacement: "" }));
        }
    }

    fn validate(&self) -> Result<(), RuleSetError> {
        check_share(ID, "min_share", self.min_share)
    }
}
