//! What is said about a sample, and, apart from it, what judging it cost.
//!
//! A [`SampleResult`] holds nothing that depends on the machine's speed, the order of work or the time
//! of day; a [`Measurement`] holds nothing else. Next: `../score/metrics.rs`.

use serde::{Deserialize, Serialize};
use sigil_sandbox::{Ended, Usage};

use super::compile::CrateKind;
use super::diagnostics::{Errors, Lints};
use super::test_stage::TestReport;
use crate::source::{Facts, Refusal, SyntaxFacts};
use crate::task::{How, Placement};

/// How a sample fared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// All tests passed.
    Pass {
        /// Whether the tests ran where the sample could reach them.
        forgeable: bool,
    },
    /// It compiles; there were no tests to run.
    Compiled,
    /// Some tests failed.
    TestFail {
        /// How many passed.
        passed: usize,
        /// Of how many.
        total: usize,
    },
    /// It cannot compile, as could be seen without a compiler.
    Refused {
        /// Why.
        reason: Refusal,
    },
    /// It does not compile.
    CompileError,
    /// It compiles, but does not have the function asked for, or not with the types asked for.
    WrongInterface,
    /// It compiles but may not be tested: it uses `unsafe`, with which a pass could be forged.
    Unsafe,
    /// Its tests ended by a signal: an abort, an overflowing stack.
    Crash {
        /// The signal.
        signal: i32,
    },
    /// Its tests ended without their report: the sample ended the process.
    NoReport {
        /// The exit code it left.
        exit_code: i32,
    },
    /// A limit stopped it.
    Limit {
        /// In which stage.
        stage: Stage,
        /// Which one.
        limit: Limit,
    },
    /// The sandbox failed; nothing is known about the sample.
    Infra {
        /// What it said.
        why: String,
    },
}

/// A part of judging.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Compiling and linting the sample.
    Compile,
    /// Compiling and linking the harness.
    Harness,
    /// Running the tests.
    Test,
}

/// A limit that stopped a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Processor time.
    CpuTime,
    /// Time on the clock.
    WallTime,
    /// Memory.
    Memory,
    /// Processes and threads.
    Processes,
    /// Bytes written to its streams.
    Output,
    /// Room for files.
    Disk,
}

impl Limit {
    /// The limit that ended a program, if one did.
    pub(crate) fn of(ended: Ended) -> Option<Self> {
        Some(match ended {
            Ended::CpuTime => Self::CpuTime,
            Ended::WallTime => Self::WallTime,
            Ended::Memory => Self::Memory,
            Ended::Processes => Self::Processes,
            Ended::Output => Self::Output,
            Ended::Disk | Ended::Files => Self::Disk,
            Ended::Exited(_) | Ended::Signalled(_) => return None,
        })
    }
}

impl Verdict {
    /// Its name in counts.
    pub fn name(&self) -> String {
        let name = match self {
            Self::Pass { .. } => "pass",
            Self::Compiled => "compiled",
            Self::TestFail { .. } => "test_fail",
            Self::Refused { .. } => "refused",
            Self::CompileError => "compile_error",
            Self::WrongInterface => "wrong_interface",
            Self::Unsafe => "unsafe",
            Self::Crash { .. } => "crash",
            Self::NoReport { .. } => "no_report",
            Self::Infra { .. } => "infra",
            Self::Limit { stage, limit } => {
                let name = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
                let stage = serde_json::to_value(stage).map(name).unwrap_or_default();
                let limit = serde_json::to_value(limit).map(name).unwrap_or_default();
                return format!("limit_{stage}_{limit}");
            }
        };
        name.to_owned()
    }

    /// Whether all tests passed.
    pub fn passed(&self) -> bool {
        matches!(self, Self::Pass { .. })
    }

    /// Whether judging the same again on this machine must say the same.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Limit { .. } | Self::Infra { .. })
    }
}

/// Everything said about one sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleResult {
    /// The sample's place in the input, from 0.
    pub index: usize,
    /// The task it answers.
    pub task_id: String,
    /// The first half of the blake3 digest of the program that was judged.
    pub digest: String,
    /// How it fared.
    pub verdict: Verdict,
    /// Whether it compiles by itself.
    pub compiled: bool,
    /// Whether all its tests passed; `None` if there were none.
    pub passed: Option<bool>,
    /// How the answer was read.
    pub how: How,
    /// Bytes of prose after the code that were left away.
    pub cut_bytes: usize,
    /// The Rust edition.
    pub edition: String,
    /// What it was compiled as.
    pub crate_kind: CrateKind,
    /// Whether a second, plain rustc pass decided whether it compiles.
    pub second_pass: bool,
    /// Where the tests were compiled.
    pub placement: Option<Placement>,
    /// Its errors.
    pub errors: Errors,
    /// Its lints; counted only if it compiles.
    pub lints: Lints,
    /// Its tests.
    pub tests: Option<TestReport>,
    /// What its text holds.
    pub facts: Facts,
    /// What the filter's syntax tree shows of it; `None` if it is too large to parse, or of an older
    /// file of results.
    #[serde(default)]
    pub syntax: Option<SyntaxFacts>,
    /// Share of the prompt's words that its code and comments repeat, where there is a prompt.
    pub prompt_match: Option<f64>,
    /// The compiler's first messages, or the harness's.
    pub message: String,
}

/// What judging one sample cost. Times differ from run to run; verdicts do not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The sample's place in the input.
    pub index: usize,
    /// Whether all came from the cache.
    pub cached: bool,
    /// Each process that ran, in order.
    pub stages: Vec<StageCost>,
    /// The size of the linked test program, in bytes.
    pub binary_bytes: Option<u64>,
}

/// What one process cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageCost {
    /// In which stage.
    pub stage: Stage,
    /// Processor time in milliseconds.
    pub cpu_ms: f64,
    /// Time on the clock in milliseconds.
    pub wall_ms: f64,
    /// The most memory at once in bytes, where the machine can tell.
    pub peak_memory_bytes: Option<u64>,
}

impl StageCost {
    /// The cost of a process.
    pub(crate) fn new(stage: Stage, usage: &Usage) -> Self {
        Self {
            stage,
            cpu_ms: usage.cpu().as_secs_f64() * 1e3,
            wall_ms: usage.wall.as_secs_f64() * 1e3,
            peak_memory_bytes: usage.peak_memory_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_named_with_their_stage_and_are_not_final() {
        let verdict = Verdict::Limit { stage: Stage::Test, limit: Limit::CpuTime };
        assert_eq!(verdict.name(), "limit_test_cpu_time");
        assert!(!verdict.is_final());
        assert!(Verdict::CompileError.is_final());
    }
}
