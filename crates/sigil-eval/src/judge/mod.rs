//! Judging: a program and its tests in, a verdict out, every process of it inside the sandbox.
//!
//! Start at `judge.rs`. `compile.rs` is the one compiler pass and the rule for when a second decides,
//! `test_stage.rs` the tests, `verdict.rs` what comes out, `batch.rs` many samples at once.

mod batch;
mod compile;
mod dependencies;
mod diagnostics;
#[expect(clippy::module_inception, reason = "the judge is what this module is named after")]
mod judge;
mod options;
mod taxonomy;
mod test_stage;
mod toolchain;
mod verdict;

pub use batch::{Job, judge_all};
pub use compile::{CompileReport, CrateKind};
pub use dependencies::{CARGO_LOCK, CARGO_TOML, DependencySet, ExternCrate, collect_built};
pub use diagnostics::{Errors, Lints};
pub use judge::{Judge, PoolSource};
pub use options::JudgeOptions;
pub use taxonomy::ErrorClass;
pub use test_stage::TestReport;
pub use toolchain::{Toolchain, ToolchainIdentity};
pub use verdict::{Limit, Measurement, SampleResult, Stage, StageCost, Verdict};
