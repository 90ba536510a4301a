//! The one judge of these tests, and short ways to ask it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use sigil_eval::EvalError;
use sigil_eval::cache::ResultCache;
use sigil_eval::judge::{Judge, JudgeOptions, SampleResult, Toolchain};
use sigil_eval::task::{Sample, Task};
use sigil_sandbox::{Selection, select};

/// How often a sandbox was opened.
pub(crate) static OPENED: AtomicUsize = AtomicUsize::new(0);

/// A judge with options and a cache of its own.
pub(crate) fn new_judge(options: JudgeOptions, cache: ResultCache) -> Judge {
    let told = Command::new("rustc").args(["--print", "sysroot"]).output().expect("rustc is here");
    let sysroot = PathBuf::from(String::from_utf8_lossy(&told.stdout).trim());
    let toolchain = Toolchain::find(&sysroot).expect("the pinned toolchain has clippy");
    let source = Box::new(|| {
        OPENED.fetch_add(1, Ordering::Relaxed);
        let selection = Selection { allow_reduced: true, ..Selection::default() };
        let verified =
            select(&selection).map_err(|error| EvalError::NoSandbox(error.to_string()))?;
        let report = verified.report();
        eprintln!("sandbox: {}, {} tier", report.backend, report.tier);
        Ok(verified.pool(2))
    });
    Judge::new(source, toolchain, None, options, cache, "tests".to_owned())
}

pub(crate) fn judge() -> &'static Judge {
    static JUDGE: OnceLock<Judge> = OnceLock::new();
    JUDGE.get_or_init(|| new_judge(JudgeOptions::default(), ResultCache::in_memory()))
}

/// The task that most tests use: double a number.
pub(crate) fn double() -> Task {
    Task {
        id: "double".into(),
        prompt: "fn double(x: i32) -> i32 {".into(),
        entry_point: "double".into(),
        canonical_solution: " x * 2 }".into(),
        test: "#[cfg(test)] mod tests { use super::*;\n#[test] fn one() { assert_eq!(double(1), 2); }\n\
               #[test] fn big() { assert_eq!(double(500), 1000); } }"
            .into(),
        edition: "2021".into(),
        stop_tokens: Vec::new(),
        externs: Default::default(),
        project: None,
    }
}

pub(crate) fn sample(task_id: &str, text: &str) -> Sample {
    Sample { index: 0, task_id: task_id.into(), prompt: String::new(), text: text.into() }
}

/// Judges an answer to [`double`].
pub(crate) fn answer(text: &str) -> SampleResult {
    let task = double();
    judge().judge(&sample("double", text), Some(&task), "2021").expect("the sandbox works").0
}

/// Judges a text without a task.
pub(crate) fn alone(text: &str) -> SampleResult {
    judge().judge(&sample("alone", text), None, "2021").expect("the sandbox works").0
}
