//! What a judge may be told.
//!
//! Every field that can change a verdict is part of the cache's key: see [`JudgeOptions::describe`].

use std::time::Duration;

use sigil_sandbox::Limits;

/// How to judge.
#[derive(Clone, Debug)]
pub struct JudgeOptions {
    /// Limits of the compiler, for the sample and for the harness.
    pub compile_limits: Limits,
    /// Limits of the tests.
    pub test_limits: Limits,
    /// Lint groups to warn about, such as `clippy::all`.
    pub lint_groups: Vec<String>,
    /// Whether samples with `unsafe` are tested; their passes are marked as forgeable.
    pub allow_unsafe: bool,
    /// Whether compilers are loaded once and forked for each sample, where the sandbox can do that: it
    /// saves a quarter of a compiler's processor time.
    pub load_ahead: bool,
    /// Whether tests are run at all.
    pub run_tests: bool,
    /// How often a job is tried again after the sandbox failed.
    pub infra_retries: u32,
    /// The share of samples for which the sandbox may fail before judging stops.
    pub most_infra: f64,
    /// Bytes of messages kept per sample.
    pub message_bytes: usize,
}

impl Default for JudgeOptions {
    fn default() -> Self {
        Self {
            compile_limits: Limits {
                cpu_time: Duration::from_secs(10),
                wall_time: Duration::from_secs(60),
                ..Limits::default()
            },
            test_limits: Limits {
                cpu_time: Duration::from_secs(5),
                wall_time: Duration::from_secs(20),
                memory_bytes: 512 << 20,
                processes: 32,
                work_bytes: 64 << 20,
                output_kept_bytes: 64 << 10,
                ..Limits::default()
            },
            lint_groups: vec!["clippy::all".to_owned()],
            allow_unsafe: false,
            load_ahead: true,
            run_tests: true,
            infra_retries: 2,
            most_infra: 0.01,
            message_bytes: 8 << 10,
        }
    }
}

impl JudgeOptions {
    /// Everything that can change a verdict, for the cache's key.
    pub(crate) fn describe(&self) -> String {
        format!(
            "{:?}|{:?}|{:?}|{}|{}|{}",
            self.compile_limits,
            self.test_limits,
            self.lint_groups,
            self.allow_unsafe,
            self.load_ahead,
            self.message_bytes
        )
    }
}
