//! The three ways, timed over each stratum.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use miette::{IntoDiagnostic, Result, miette};
use serde::Serialize;
use sigil_eval::cache::ResultCache;
use sigil_eval::judge::{
    CARGO_LOCK, CARGO_TOML, DependencySet, Job, Judge, JudgeOptions, Measurement, SampleResult,
    Toolchain, judge_all,
};
use sigil_eval::task::{Sample, program, program_alone};
use sigil_sandbox::{Selection, select};

use super::Arguments;
use super::corpus::{Corpus, Stratum};
use super::cpu::{Meter, Used};

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) stratum: &'static str,
    pub(crate) way: String,
    pub(crate) samples: usize,
    pub(crate) workers: usize,
    pub(crate) cpu_ms_per_sample: f64,
    pub(crate) wall_ms_per_sample: f64,
    pub(crate) samples_per_second: f64,
    /// Processor time that samples' own processes used, of all there was.
    pub(crate) share_of_cores: Option<f64>,
    /// A digest of all results, measurements apart.
    pub(crate) results: Option<String>,
}

impl Row {
    fn new(stratum: Stratum, way: &str, samples: usize, workers: usize, used: Used) -> Self {
        let count = samples.max(1) as f64;
        Self {
            stratum: stratum.name(),
            way: way.to_owned(),
            samples,
            workers,
            cpu_ms_per_sample: used.cpu_ms / count,
            wall_ms_per_sample: used.wall_ms / count,
            samples_per_second: count / (used.wall_ms / 1e3).max(1e-9),
            share_of_cores: None,
            results: None,
        }
    }
}

/// Where things are.
struct Places {
    sysroot: PathBuf,
    set: DependencySet,
    work: PathBuf,
    template: PathBuf,
    target: PathBuf,
    meter: Meter,
}

/// Times all ways.
#[expect(clippy::print_stderr, reason = "progress of a long bench")]
pub(crate) fn all(corpus: &Corpus, arguments: &Arguments) -> Result<Vec<Row>> {
    let told = Command::new("rustc").args(["--print", "sysroot"]).output().into_diagnostic()?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&told.stdout).trim().to_owned());
    let set = DependencySet::open(&arguments.deps, None).into_diagnostic()?;
    let own = std::env::temp_dir().join(format!("sigil-bench-eval-{}", std::process::id()));
    let work = arguments.work.clone().unwrap_or(own);
    let (template, target) = (work.join("template"), work.join("target"));
    let places = Places { sysroot, set, template, target, work, meter: Meter::open() };
    if !places.meter.is_exact() {
        eprintln!("no control group counts processor time: helpers of the sandbox are left out");
    }
    make_template(&places)?;
    let mut rows = Vec::new();
    for stratum in Stratum::ALL {
        let samples = corpus.of(stratum);
        let tested = stratum != Stratum::Dependencies;
        eprintln!("{}: {} samples", stratum.name(), samples.len());
        rows.push(predecessor(&places, corpus, stratum, &samples, false)?);
        if tested && stratum != Stratum::NotCompiling {
            rows.push(predecessor(&places, corpus, stratum, &samples, true)?);
        }
        rows.push(floor(&places, corpus, stratum, &samples)?);
        for workers in &arguments.workers {
            for tests in [false, true].into_iter().take(1 + usize::from(tested)) {
                for load_ahead in
                    [true, false].into_iter().take(1 + usize::from(arguments.executed))
                {
                    let options =
                        JudgeOptions { run_tests: tests, load_ahead, ..Default::default() };
                    rows.extend(ours(&places, corpus, stratum, &samples, *workers, options)?);
                }
            }
        }
    }
    if arguments.work.is_none() {
        std::fs::remove_dir_all(&places.work).into_diagnostic()?;
    }
    Ok(rows)
}

/// The program of a sample as a file of its own; with its tests, as the predecessor's peers join them.
fn text(corpus: &Corpus, sample: &Sample, tests: bool) -> (String, String) {
    match corpus.task(sample) {
        Some(task) => {
            let mut text = program(task, &sample.text).text;
            if tests {
                text.push('\n');
                text.push_str(&task.test);
            }
            // The predecessor's template is a program.
            (format!("{text}\nfn main() {{}}\n"), task.edition.clone())
        }
        None => (program_alone(&sample.text).text, "2021".to_owned()),
    }
}

/// The template project with its crates built for check, clippy and test.
fn make_template(places: &Places) -> Result<()> {
    let source = places.template.join("src");
    std::fs::create_dir_all(&source).into_diagnostic()?;
    // The benchmark's own version of rand, under its own name.
    let manifest = CARGO_TOML.replace("[lib]\npath = \"lib.rs\"\n", "");
    std::fs::write(places.template.join("Cargo.toml"), manifest).into_diagnostic()?;
    std::fs::write(places.template.join("Cargo.lock"), CARGO_LOCK).into_diagnostic()?;
    std::fs::write(source.join("main.rs"), "fn main() {}\n").into_diagnostic()?;
    for verb in [&["check"][..], &["clippy"], &["test", "--no-run"]] {
        cargo(places, &places.template, verb)?;
    }
    Ok(())
}

fn cargo(places: &Places, folder: &Path, verb: &[&str]) -> Result<bool> {
    let bin = places.sysroot.join("bin");
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let done = Command::new(bin.join("cargo"))
        .arg(verb[0])
        .args(["--quiet", "--offline"])
        .args(&verb[1..])
        .current_dir(folder)
        .env("PATH", path)
        .env("CARGO_TARGET_DIR", &places.target)
        .env_remove("RUSTFLAGS")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .into_diagnostic()?;
    Ok(done.success())
}

/// (a): copy the template, check, clippy, and test if asked.
fn predecessor(
    places: &Places,
    corpus: &Corpus,
    stratum: Stratum,
    samples: &[&Sample],
    tests: bool,
) -> Result<Row> {
    let folder = places.work.join("app");
    let since = places.meter.since();
    for sample in samples {
        if folder.exists() {
            std::fs::remove_dir_all(&folder).into_diagnostic()?;
        }
        std::fs::create_dir_all(folder.join("src")).into_diagnostic()?;
        for name in ["Cargo.toml", "Cargo.lock"] {
            std::fs::copy(places.template.join(name), folder.join(name)).into_diagnostic()?;
        }
        std::fs::write(folder.join("src/main.rs"), text(corpus, sample, tests).0)
            .into_diagnostic()?;
        if cargo(places, &folder, &["check"])? {
            cargo(places, &folder, &["clippy", "--", "-W", "clippy::all"])?;
            if tests {
                cargo(places, &folder, &["test"])?;
            }
        }
    }
    let way = if tests { "a: cargo check, clippy, test" } else { "a: cargo check, clippy" };
    Ok(Row::new(stratum, way, samples.len(), 1, since.used()))
}

/// (b): the compiler alone.
fn floor(places: &Places, corpus: &Corpus, stratum: Stratum, samples: &[&Sample]) -> Result<Row> {
    let out = places.work.join("floor.rmeta");
    let file = places.work.join("sample.rs");
    let mut used = Used::default();
    for sample in samples {
        let (text, edition) = text(corpus, sample, false);
        std::fs::write(&file, text).into_diagnostic()?;
        let since = places.meter.since();
        let mut compiler = Command::new(places.sysroot.join("bin/clippy-driver"));
        compiler
            .args([
                "--edition",
                &edition,
                "--crate-name=sample",
                "--crate-type=bin",
                "--error-format=json",
            ])
            .args(["-Copt-level=0", "-Cdebuginfo=0", "-Wclippy::all"])
            .arg(format!("--emit=metadata={}", out.display()))
            .arg(format!("-Ldependency={}", places.set.folder().display()))
            .arg(&file)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        for (name, found) in places.set.externs() {
            let instead = corpus.task(sample).and_then(|task| task.externs.get(name));
            let chosen = instead.and_then(|other| places.set.externs().get(other)).unwrap_or(found);
            let path = places.set.folder().join(&chosen.file);
            compiler.arg(format!("--extern={name}={}", path.display()));
        }
        compiler.status().into_diagnostic()?;
        let one = since.used();
        used.cpu_ms += one.cpu_ms;
        used.wall_ms += one.wall_ms;
    }
    Ok(Row::new(stratum, "b: clippy-driver, no sandbox", samples.len(), 1, used))
}

/// (c): the judge, cold and then from its cache.
fn ours(
    places: &Places,
    corpus: &Corpus,
    stratum: Stratum,
    samples: &[&Sample],
    workers: usize,
    options: JudgeOptions,
) -> Result<Vec<Row>> {
    let mut way = "c: sigil-eval".to_owned();
    if options.run_tests {
        way.push_str(" with tests");
    }
    if !options.load_ahead {
        way.push_str(", executed");
    }
    let toolchain = Toolchain::find(&places.sysroot).into_diagnostic()?;
    let source = Box::new(move || {
        let verified = select(&Selection::default())
            .map_err(|refused| sigil_eval::EvalError::NoSandbox(refused.to_string()))?;
        Ok(verified.pool(workers))
    });
    let set = Some(places.set.clone());
    let judge =
        Judge::new(source, toolchain, set, options, ResultCache::in_memory(), "bench".to_owned());
    // Canaries and the compiler's version belong to the start, not to a sample.
    judge.identity().into_diagnostic()?;
    let jobs: Vec<Job<'_>> =
        samples.iter().map(|sample| Job { sample, task: corpus.task(sample) }).collect();
    let mut rows = Vec::new();
    for cached in [false, true] {
        let since = places.meter.since();
        let judged = judge_all(&judge, &jobs, "2021", workers, &|_| true).into_diagnostic()?;
        if judged.len() != jobs.len() {
            return Err(miette!("{} of {} samples were judged", judged.len(), jobs.len()));
        }
        let mut used = since.used();
        let inside: f64 = judged
            .iter()
            .flat_map(|(_, measured)| &measured.stages)
            .map(|stage| stage.cpu_ms)
            .sum();
        if !places.meter.is_exact() {
            used.cpu_ms += inside;
        }
        let way = if cached { format!("{way}, cached") } else { way.clone() };
        let mut row = Row::new(stratum, &way, samples.len(), workers, used);
        let cores = std::thread::available_parallelism().map_or(1, usize::from).min(workers);
        row.results = Some(digest(&judged)?);
        row.share_of_cores = (!cached).then(|| inside / (used.wall_ms * cores as f64));
        rows.push(row);
    }
    Ok(rows)
}

/// What all results say, in a few digits: equal for any number of workers, cached or not.
fn digest(judged: &[(SampleResult, Measurement)]) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    for (result, _) in judged {
        hasher.update(&serde_json::to_vec(result).into_diagnostic()?);
    }
    Ok(hasher.finalize().to_hex()[..16].to_owned())
}
