//! The judge: holds the sandbox, the toolchain, the dependencies and the cache, and judges one sample
//! after another, from any number of threads.
//!
//! The sandbox is opened when the first sample needs it, so that a rerun which finds everything in the
//! cache starts no process at all. Next: `compile.rs`, then `batch.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use sigil_sandbox::{Ended, Infra, Job, Outcome, Pool, Root, Tier};

use super::compile::{CompileReport, CrateKind, Unit, compile};
use super::dependencies::DependencySet;
use super::options::JudgeOptions;
use super::test_stage::{TestReport, test};
use super::toolchain::{Toolchain, ToolchainIdentity};
use super::verdict::{Measurement, SampleResult, Stage, Verdict};
use crate::EvalError;
use crate::cache::{Key, ResultCache};
use crate::source::{Facts, SyntaxFacts, refusal};
use crate::task::{Harness, Program, Sample, Task, harness, program};

/// Opens the sandbox when it is needed.
pub type PoolSource = Box<dyn Fn() -> Result<Pool, EvalError> + Send + Sync>;

/// Judges samples.
pub struct Judge {
    source: PoolSource,
    toolchain: Toolchain,
    set: Option<DependencySet>,
    options: JudgeOptions,
    cache: ResultCache,
    host_stamp: String,
    environment: OnceLock<Environment>,
    open: OnceLock<Open>,
    /// Held while the sandbox is opened, so that it is opened once.
    opening: std::sync::Mutex<()>,
}

/// What a verdict depends on besides the sample: kept in the cache under the toolchain's stamp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Environment {
    identity: ToolchainIdentity,
    backend: String,
    reduced: bool,
    policy: String,
}

/// The sandbox, opened, and what belongs to it.
struct Open {
    pool: Pool,
    compile_root: Arc<Root>,
    test_root: Arc<Root>,
    loader: PathBuf,
    library_path: PathBuf,
    toolchain_inside: PathBuf,
    set_inside: Option<PathBuf>,
}

/// What the stages work with.
pub(crate) struct Bench<'a> {
    pool: &'a Pool,
    pub(crate) options: &'a JudgeOptions,
    pub(crate) identity: &'a ToolchainIdentity,
    pub(crate) compile_root: Arc<Root>,
    pub(crate) test_root: Arc<Root>,
    pub(crate) loader: PathBuf,
    pub(crate) library_path: PathBuf,
    pub(crate) toolchain_inside: PathBuf,
    pub(crate) set_inside: Option<PathBuf>,
}

impl Bench<'_> {
    /// Runs a job, and again in another slot if the sandbox failed, or if it ended by a signal that a
    /// terminal sends to all that runs there: that says nothing of the sample.
    pub(crate) fn run(&self, job: &Job) -> Result<Outcome, Infra> {
        let mut tries = 0;
        loop {
            let done = self.pool.run(job);
            let again = match &done {
                Err(_) => true,
                // A sample that sends them to itself is judged by the last try.
                Ok(outcome) => matches!(outcome.ended, Ended::Signalled(1 | 2 | 3 | 15)),
            };
            if !again || tries == self.options.infra_retries {
                return done;
            }
            tries += 1;
        }
    }
}

/// What the cache holds of a sample: all of its verdict that needed a process.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Judged {
    compile: CompileReport,
    verdict: Verdict,
    tests: Option<TestReport>,
    message: String,
    binary_bytes: Option<u64>,
}

impl Judge {
    /// A judge. `host_stamp` tells this machine and program from others for the cache: the kernel's
    /// release and the program's own file.
    pub fn new(
        source: PoolSource,
        toolchain: Toolchain,
        set: Option<DependencySet>,
        options: JudgeOptions,
        cache: ResultCache,
        host_stamp: String,
    ) -> Self {
        Self {
            source,
            toolchain,
            set,
            options,
            cache,
            host_stamp,
            environment: OnceLock::new(),
            open: OnceLock::new(),
            opening: std::sync::Mutex::new(()),
        }
    }

    /// How it judges.
    pub fn options(&self) -> &JudgeOptions {
        &self.options
    }

    /// What the toolchain says of itself.
    ///
    /// # Errors
    /// If the sandbox cannot be opened or the toolchain does not run in it.
    pub fn identity(&self) -> Result<&ToolchainIdentity, EvalError> {
        Ok(&self.environment()?.identity)
    }

    /// Name, tier and policy of the sandbox, for reports.
    ///
    /// # Errors
    /// As [`Judge::identity`].
    pub fn sandbox(&self) -> Result<String, EvalError> {
        let found = self.environment()?;
        let tier = if found.reduced { "reduced" } else { "full" };
        Ok(format!("{}, {tier} tier, policy {}", found.backend, found.policy))
    }

    /// The cache.
    pub fn cache(&self) -> &ResultCache {
        &self.cache
    }

    /// The dependency set.
    pub fn dependencies(&self) -> Option<&DependencySet> {
        self.set.as_ref()
    }

    fn environment(&self) -> Result<&Environment, EvalError> {
        if let Some(found) = self.environment.get() {
            return Ok(found);
        }
        let stamp =
            Key::new("environment").part(&self.host_stamp).part(&self.toolchain.stamp()).finish();
        if let Some(known) = self.cache.get::<Environment>(&stamp) {
            return Ok(self.environment.get_or_init(|| known));
        }
        let open = self.open()?;
        let report = open.pool.report();
        let found = Environment {
            identity: self.toolchain.identify(&open.pool)?,
            backend: report.backend.to_owned(),
            reduced: report.tier == Tier::Reduced,
            policy: format!(
                "{}-landlock{}",
                report.capabilities.policy, report.capabilities.landlock_abi
            ),
        };
        self.cache.put(&stamp, "environment", &found)?;
        Ok(self.environment.get_or_init(|| found))
    }

    fn open(&self) -> Result<&Open, EvalError> {
        let guard = self.opening.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(open) = self.open.get() {
            return Ok(open);
        }
        let pool = (self.source)()?;
        let tier = pool.report().tier;
        let (test_root, loader) = self.toolchain.test_root(tier)?;
        let library_path = match tier {
            Tier::Full => PathBuf::from("/libraries"),
            Tier::Reduced => test_root
                .mounts
                .iter()
                .filter_map(|mount| mount.inside.parent())
                .fold(std::ffi::OsString::new(), |mut all, folder| {
                    all.push(folder);
                    all.push(":");
                    all
                })
                .into(),
        };
        let open = Open {
            compile_root: self.toolchain.compile_root(tier, self.set.as_ref()),
            test_root,
            loader,
            library_path,
            toolchain_inside: self.toolchain.inside(tier),
            set_inside: self.set.as_ref().map(|set| set.inside(tier)),
            pool,
        };
        let opened = self.open.get_or_init(|| open);
        drop(guard);
        Ok(opened)
    }

    fn bench(&self) -> Result<Bench<'_>, EvalError> {
        let open = self.open()?;
        Ok(Bench {
            pool: &open.pool,
            options: &self.options,
            identity: self.identity()?,
            compile_root: Arc::clone(&open.compile_root),
            test_root: Arc::clone(&open.test_root),
            loader: open.loader.clone(),
            library_path: open.library_path.clone(),
            toolchain_inside: open.toolchain_inside.clone(),
            set_inside: open.set_inside.clone(),
        })
    }

    /// The program that a sample makes: of its task, or alone.
    pub fn program(&self, sample: &Sample, task: Option<&Task>) -> Program {
        match task {
            Some(task) => program(&self.usable(task), &sample.text),
            None => crate::task::program_alone(&sample.text),
        }
    }

    /// A task without the imports of its prompt that name crates which are not there. Benchmarks import
    /// crates in every task that a few tasks use.
    fn usable(&self, task: &Task) -> Task {
        let known =
            |name: &str| self.set.as_ref().is_some_and(|set| set.externs().contains_key(name));
        crate::task::without_imports(task, &["rand", "regex", "md5"], known)
    }

    /// Judges one sample.
    ///
    /// # Errors
    /// If the sandbox cannot be opened or the cache not be written; not if it fails for this sample.
    pub fn judge(
        &self,
        sample: &Sample,
        task: Option<&Task>,
        default_edition: &str,
    ) -> Result<(SampleResult, Measurement), EvalError> {
        let task = task.map(|task| self.usable(task));
        let task = task.as_ref();
        let made = self.program(sample, task);
        let tests = task.filter(|_| self.options.run_tests).and_then(harness);
        let mut result = begun(sample, &made, task, tests.as_ref(), default_edition);
        let kind = result.crate_kind;
        let mut measurement = Measurement { index: sample.index, ..Measurement::default() };
        if let Some(reason) = refusal(&made.text) {
            result.verdict = Verdict::Refused { reason };
            return Ok((result, measurement));
        }
        let none = BTreeMap::new();
        let instead = task.map_or(&none, |task| &task.externs);
        let tier = if self.environment()?.reduced { Tier::Reduced } else { Tier::Full };
        let (externs, known) =
            self.set.as_ref().map(|set| set.arguments(tier, instead)).unwrap_or_default();
        let unit = Unit {
            text: &made.text,
            appended: tests.as_ref().map(|tests| tests.appended.as_str()),
            edition: &result.edition,
            kind,
            externs: &externs,
            known: &known,
        };
        let key = self.key(&unit, tests.as_ref())?;
        let mut failed = None;
        let judged = self.cache.single_flight(&key, "sample", || {
            let judged = match self.run(&unit, tests.as_ref(), &mut measurement) {
                Ok(Ok(judged)) => judged,
                Ok(Err(infra)) => Judged {
                    compile: CompileReport::default(),
                    verdict: Verdict::Infra { why: infra.to_string() },
                    tests: None,
                    message: String::new(),
                    binary_bytes: None,
                },
                Err(error) => {
                    failed = Some(error);
                    return None;
                }
            };
            let is_final = judged.verdict.is_final();
            Some((judged, is_final))
        })?;
        let Some((judged, cached)) = judged else {
            return Err(failed.expect("nothing is judged only after an error"));
        };
        measurement.cached = cached;
        measurement.binary_bytes = judged.binary_bytes;
        result.compiled = judged.compile.compiled;
        result.second_pass = judged.compile.second_pass;
        result.errors = judged.compile.errors;
        result.lints = judged.compile.lints;
        result.passed = tests.is_some().then(|| judged.verdict.passed());
        result.verdict = judged.verdict;
        result.tests = judged.tests;
        result.message = judged.message;
        Ok((result, measurement))
    }

    /// The digest by which a [`SampleResult`] names the program that it is about.
    pub fn program_digest(&self, sample: &Sample, task: Option<&Task>) -> String {
        digest(&self.program(sample, task).text)
    }

    /// The result of a sample about which nothing can be said, as no judge came to an end with it.
    pub fn not_judged(
        &self,
        sample: &Sample,
        task: Option<&Task>,
        default_edition: &str,
        why: &str,
    ) -> SampleResult {
        let task = task.map(|task| self.usable(task));
        let task = task.as_ref();
        let tests = task.filter(|_| self.options.run_tests).and_then(harness);
        let made = self.program(sample, task);
        let mut result = begun(sample, &made, task, tests.as_ref(), default_edition);
        result.verdict = Verdict::Infra { why: why.to_owned() };
        result
    }

    /// The cache's key of a unit with its tests.
    fn key(&self, unit: &Unit<'_>, tests: Option<&Harness>) -> Result<String, EvalError> {
        let environment = self.environment()?;
        let mut key = Key::new("sample")
            .part(&environment.identity.rustc)
            .part(&environment.identity.clippy)
            .part(&environment.backend)
            .part(&environment.policy)
            .part(&self.options.describe())
            .part(self.set.as_ref().map_or("", DependencySet::fingerprint))
            .part(&format!("{:?}", unit.kind))
            .part(unit.edition)
            .part(unit.text)
            .part(unit.appended.unwrap_or("\0none"));
        for argument in unit.externs {
            key = key.part(argument);
        }
        if let Some(tests) = tests {
            key = key.part(&tests.main);
        }
        Ok(key.finish())
    }

    /// Runs what the verdict needs. The inner error is the sandbox's for this sample alone.
    fn run(
        &self,
        unit: &Unit<'_>,
        tests: Option<&Harness>,
        measurement: &mut Measurement,
    ) -> Result<Result<Judged, Infra>, EvalError> {
        let bench = self.bench()?;
        let compiled = match compile(&bench, unit) {
            Ok(compiled) => compiled,
            Err(infra) => return Ok(Err(infra)),
        };
        measurement.stages.extend(compiled.costs);
        let report = compiled.report;
        let mut judged = Judged {
            verdict: Verdict::CompileError,
            tests: None,
            message: report.message.clone(),
            binary_bytes: None,
            compile: report,
        };
        judged.compile.message.clear();
        let report = &judged.compile;
        if let Some(limit) = report.limit {
            judged.verdict = Verdict::Limit { stage: Stage::Compile, limit };
        } else if report.compiled {
            judged.verdict = match (tests, compiled.library) {
                (None, _) => Verdict::Compiled,
                (Some(tests), Some(library)) => {
                    match test(&bench, unit, tests, self.uses_unsafe(unit, report), library) {
                        Ok(tested) => {
                            measurement.stages.extend(tested.costs);
                            judged.tests = tested.report;
                            judged.message = tested.message;
                            judged.binary_bytes = tested.binary_bytes;
                            tested.verdict
                        }
                        Err(infra) => return Ok(Err(infra)),
                    }
                }
                (Some(_), None) if report.uses_unsafe => Verdict::Unsafe,
                (Some(_), None) => Verdict::WrongInterface,
            };
        }
        Ok(Ok(judged))
    }

    /// Whether a tested sample may have used `unsafe`: only where that was allowed.
    fn uses_unsafe(&self, unit: &Unit<'_>, report: &CompileReport) -> bool {
        let text = || {
            crate::source::tokens(unit.text).iter().any(|token| {
                let word = token.text(unit.text);
                word == "unsafe" || matches!(word, "no_mangle" | "export_name" | "link_section")
            })
        };
        self.options.allow_unsafe && (report.uses_unsafe || text())
    }
}

fn digest(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..32].to_owned()
}

/// What can be said of a sample before any process starts.
fn begun(
    sample: &Sample,
    made: &Program,
    task: Option<&Task>,
    tests: Option<&Harness>,
    default_edition: &str,
) -> SampleResult {
    SampleResult {
        index: sample.index,
        task_id: sample.task_id.clone(),
        digest: digest(&made.text),
        verdict: Verdict::CompileError,
        compiled: false,
        passed: tests.map(|_| false),
        how: made.how,
        cut_bytes: made.cut_bytes,
        edition: task.map_or(default_edition, |task| task.edition.as_str()).to_owned(),
        crate_kind: if tests.is_some() { CrateKind::Library } else { CrateKind::of(&made.text) },
        second_pass: false,
        placement: tests.map(|tests| tests.placement),
        errors: Default::default(),
        lints: Default::default(),
        tests: None,
        facts: Facts::of(&made.text),
        syntax: SyntaxFacts::of(&made.text),
        prompt_match: prompt_match(&sample.prompt, &made.text),
        message: String::new(),
    }
}

/// Share of the prompt's distinct words of more than three letters that occur as words of the text.
fn prompt_match(prompt: &str, text: &str) -> Option<f64> {
    let words = |text: &str| -> std::collections::BTreeSet<String> {
        text.split(|c: char| !c.is_alphanumeric())
            .filter(|word| word.chars().count() > 3)
            .map(str::to_lowercase)
            .collect()
    };
    let wanted = words(prompt);
    let there = words(text);
    let found = wanted.iter().filter(|word| there.contains(*word)).count();
    (!wanted.is_empty()).then(|| found as f64 / wanted.len() as f64)
}

/// The toolchain's folder is needed by programs that build dependency sets.
impl Judge {
    /// The toolchain's folder.
    pub fn sysroot(&self) -> &Path {
        self.toolchain.sysroot()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_words_are_not_in_the_denominator() {
        // The predecessor counted words that it could never match.
        assert_eq!(prompt_match("a sum of the numbers", "fn numbers() {}"), Some(1.0));
        assert_eq!(prompt_match("two words here", "words"), Some(0.5));
        assert_eq!(prompt_match("a b", "x"), None);
    }
}
