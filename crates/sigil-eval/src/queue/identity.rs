//! What a worker must have to judge a job: the same compiler, crates and program; and what it is asked.
//!
//! Next: `job.rs`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cache::Key;
use crate::judge::JudgeOptions;

/// What two judges must share for their verdicts to be one judge's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgeIdentity {
    /// `rustc -vV`.
    pub rustc: String,
    /// `clippy-driver -V`.
    pub clippy: String,
    /// The digest of the dependency set; empty without one.
    pub dependencies: String,
    /// The digest of the sandbox's helper and filters.
    pub policy: String,
    /// The version of the program that judges.
    pub program: String,
}

impl JudgeIdentity {
    /// Its short name: 24 digits. Equal identities have equal tags on every machine. Those who take the
    /// verdict of a sandbox without namespaces have another one than those who do not.
    pub fn tag(&self, allow_reduced: bool) -> String {
        let key = Key::new("identity")
            .part(self.rustc.trim())
            .part(self.clippy.trim())
            .part(&self.dependencies)
            .part(&self.policy)
            .part(&self.program)
            .part(if allow_reduced { "any tier" } else { "full tier" })
            .part(&JudgeOptions::default().describe());
        key.finish()[..24].to_owned()
    }

    /// It in a line, for people who wonder why a worker does not take a job.
    pub fn in_words(&self) -> String {
        let line = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        let short = |text: &str| text.chars().take(12).collect::<String>();
        let crates = match self.dependencies.as_str() {
            "" => "no crates".to_owned(),
            digest => format!("crates {}", short(digest)),
        };
        format!(
            "{}, {}, {crates}, policy {}, sigil-eval {}",
            line(&self.rustc),
            line(&self.clippy),
            short(&self.policy),
            self.program
        )
    }
}

/// What a user may ask of a judge; the rest of [`JudgeOptions`] is the same everywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedOptions {
    /// Lint groups to warn about.
    pub lint_groups: Vec<String>,
    /// Whether samples with `unsafe` are tested.
    pub allow_unsafe: bool,
    /// Whether tests are run at all.
    pub run_tests: bool,
    /// Processor seconds that compiling may take.
    pub compile_secs: u64,
    /// Processor seconds that tests may take.
    pub test_secs: u64,
}

/// Times above this are no limits.
const MOST_SECS: u64 = 3600;

/// The clock is the backstop, for programs that sleep, and on busy machines: processor time decides.
const CLOCK_PER_PROCESSOR_TIME: u64 = 6;

impl AskedOptions {
    /// The options that are asked for.
    pub fn options(&self) -> JudgeOptions {
        let mut options = JudgeOptions {
            lint_groups: self.lint_groups.clone(),
            allow_unsafe: self.allow_unsafe,
            run_tests: self.run_tests,
            ..JudgeOptions::default()
        };
        for (limits, secs) in [
            (&mut options.compile_limits, self.compile_secs),
            (&mut options.test_limits, self.test_secs),
        ] {
            limits.cpu_time = Duration::from_secs(secs);
            limits.wall_time = Duration::from_secs(secs.saturating_mul(CLOCK_PER_PROCESSOR_TIME));
        }
        options
    }

    /// What is wrong with them when they come from elsewhere.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        // They become arguments of the compiler.
        let lint = |name: &String| {
            name.len() <= 64
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'-'))
                && !name.starts_with('-')
        };
        if self.lint_groups.len() > 32 || !self.lint_groups.iter().all(lint) {
            Some("a lint group has no name of one")
        } else if !(1..=MOST_SECS).contains(&self.compile_secs)
            || !(1..=MOST_SECS).contains(&self.test_secs)
        {
            Some("a time limit is not within 1 to 3600 seconds")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_an_identity_counts_and_line_ends_do_not() {
        let one = JudgeIdentity {
            rustc: "rustc 1.95.0\nhost: x\n".into(),
            clippy: "clippy 0.1.95".into(),
            dependencies: String::new(),
            policy: "p".into(),
            program: "0.1.0".into(),
        };
        assert_eq!(one.tag(false).len(), 24);
        assert_eq!(
            one.tag(false),
            JudgeIdentity { rustc: one.rustc.trim().into(), ..one.clone() }.tag(false)
        );
        for other in [
            JudgeIdentity { rustc: "rustc 1.94.0".into(), ..one.clone() },
            JudgeIdentity { clippy: "clippy 0.1.94".into(), ..one.clone() },
            JudgeIdentity { dependencies: "ab".into(), ..one.clone() },
            JudgeIdentity { policy: "q".into(), ..one.clone() },
            JudgeIdentity { program: "0.2.0".into(), ..one.clone() },
        ] {
            assert_ne!(one.tag(false), other.tag(false));
            assert_ne!(one.in_words(), other.in_words());
        }
        assert_ne!(one.tag(false), one.tag(true));
    }

    #[test]
    fn what_is_asked_from_elsewhere_is_checked() {
        let good = AskedOptions {
            lint_groups: vec!["clippy::all".into()],
            allow_unsafe: false,
            run_tests: true,
            compile_secs: 10,
            test_secs: 5,
        };
        assert_eq!(good.problem(), None);
        let lints = |name: &str| AskedOptions { lint_groups: vec![name.into()], ..good.clone() };
        assert!(lints("-o/etc/passwd").problem().is_some());
        assert!(lints("clippy::all --emit=x").problem().is_some());
        assert!(AskedOptions { test_secs: 0, ..good.clone() }.problem().is_some());
        assert!(AskedOptions { compile_secs: u64::MAX, ..good }.problem().is_some());
    }
}
