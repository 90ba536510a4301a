//! Carries a plan out, one run after the other, and remembers what became of each.
//!
//! ```text
//! sweep.json                    digest and settings of the sweep: another one is refused
//! round-1/trial-001/            the run folder of sigil-train
//! round-1/trial-001.json        how it ended, with its value; written when it has
//! round-1/trial-001.log         what it said
//! results.json  report.md  report.html
//! ```
//! A run whose end was written is not begun again; one that was under way is continued from its newest
//! checkpoint set. Next: `results.rs`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sigil_run::{MetricsFile, RunView};

use crate::SweepError;
use crate::plan::{Plan, Trial, assignments};
use crate::results::{Results, Row};
use crate::settings::{Method, RankBy, SweepSettings};

/// What `sigil-train` is started with.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// For messages: `round-1/trial-001`.
    pub name: String,
    /// Arguments.
    pub arguments: Vec<String>,
    /// The file for what it says.
    pub log: PathBuf,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It went through.
    Well,
    /// It did not; with its last words.
    Failed(String),
    /// Somebody asked to stop; it saved.
    Interrupted,
}

/// Starts runs.
pub trait Runner {
    /// A run begins; with what it sets.
    fn begin(&mut self, name: &str, number: usize, of: usize, values: &str);
    /// Carries it out.
    ///
    /// # Errors
    /// The program cannot be started at all.
    fn run(&mut self, job: &Job) -> Result<Ended, SweepError>;
    /// It has ended, now or in an earlier session.
    fn ended(&mut self, name: &str, text: &str);
}

/// How a run of a sweep ended: `trial-001.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outcome {
    /// Last words of one that failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    failure: Option<String>,
    /// What it is ranked by, if it has one.
    value: Option<f64>,
    /// The step that has the value.
    step: Option<u64>,
}

/// Carries out all rounds and ranks the runs. `retry` begins those anew that failed earlier.
///
/// # Errors
/// Another sweep's folder, a file that cannot be written, or an interrupt. Runs that fail are no error.
pub fn run(
    settings: &SweepSettings,
    plan: &Plan,
    folder: &Path,
    retry: bool,
    runner: &mut dyn Runner,
) -> Result<Results, SweepError> {
    claim(settings, plan, folder)?;
    let mut left: Vec<&Trial> = plan.trials.iter().collect();
    let mut results = Results::new(settings, plan);
    for (number, (steps, count)) in plan.rounds.iter().enumerate() {
        let round = number + 1;
        left.truncate(*count);
        let place = folder.join(format!("round-{round}"));
        std::fs::create_dir_all(&place)
            .map_err(|source| SweepError::Read { path: place.clone(), source })?;
        let mut rows = Vec::new();
        for (at, trial) in left.iter().enumerate() {
            let name = format!("round-{round}/{}", trial.name);
            runner.begin(&name, at + 1, left.len(), &trial.describe());
            let outcome = one(settings, trial, *steps, &place, retry, &name, runner)?;
            let row = Row {
                round,
                name: trial.name.clone(),
                steps: *steps,
                values: trial.values.clone(),
                value: outcome.value,
                step: outcome.step,
                failure: outcome.failure,
            };
            runner.ended(&name, &row.sentence(settings.sweep.rank_by));
            rows.push(row);
        }
        results.add_round(rows);
        results.write(folder)?;
        // The better ones go on; those without a value never do.
        let order = results.order_of_round(round);
        left.retain(|trial| order.contains(&trial.name));
        left.sort_by_key(|trial| order.iter().position(|name| *name == trial.name));
        if left.is_empty() {
            break;
        }
    }
    Ok(results)
}

fn claim(settings: &SweepSettings, plan: &Plan, folder: &Path) -> Result<(), SweepError> {
    let described: Vec<String> =
        plan.trials.iter().map(|trial| format!("{} {}", trial.name, trial.describe())).collect();
    let text = serde_json::json!({ "settings": settings, "trials": described });
    let digest: String =
        Sha256::digest(text.to_string()).iter().map(|byte| format!("{byte:02x}")).collect();
    let path = folder.join("sweep.json");
    match std::fs::read(&path) {
        Ok(bytes) => {
            let known: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
            if known["digest"] == serde_json::json!(digest) {
                return Ok(());
            }
            return Err(SweepError::OtherSweep { path: folder.to_owned() });
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Err(SweepError::Read { path, source }),
    }
    std::fs::create_dir_all(folder)
        .map_err(|source| SweepError::Read { path: folder.to_owned(), source })?;
    let record = serde_json::json!({ "digest": digest, "sweep": text });
    let record = serde_json::to_string_pretty(&record).expect("texts and numbers serialize");
    Ok(sigil_run::atomic_write(path, record.as_bytes())?)
}

fn one(
    settings: &SweepSettings,
    trial: &Trial,
    steps: Option<usize>,
    place: &Path,
    retry: bool,
    name: &str,
    runner: &mut dyn Runner,
) -> Result<Outcome, SweepError> {
    let run_folder = place.join(&trial.name);
    let outcome_path = place.join(format!("{}.json", trial.name));
    if let Ok(bytes) = std::fs::read(&outcome_path)
        && let Ok(outcome) = serde_json::from_slice::<Outcome>(&bytes)
        && !(retry && outcome.failure.is_some())
    {
        return Ok(outcome);
    }
    let has_set = RunView::open(&run_folder)
        .and_then(|view| view.newest_whole_set())
        .is_ok_and(|newest| newest.set.is_some());
    let job = Job {
        name: name.to_owned(),
        arguments: arguments(settings, trial, steps, &run_folder, has_set),
        log: place.join(format!("{}.log", trial.name)),
    };
    let outcome = match runner.run(&job)? {
        Ended::Interrupted => return Err(SweepError::Interrupted),
        Ended::Failed(words) => Outcome { failure: Some(words), value: None, step: None },
        Ended::Well => match value_of(&run_folder, settings.sweep.rank_by) {
            Some((step, value)) => Outcome { failure: None, value: Some(value), step: Some(step) },
            None => {
                let words = match settings.sweep.rank_by {
                    RankBy::EvalLoss => {
                        "it has no evaluation loss after a step: hold rows out with \
                         evaluation.fraction or evaluation.groups"
                    }
                    _ => "none of its checkpoint sets was judged",
                };
                Outcome { failure: Some(words.to_owned()), value: None, step: None }
            }
        },
    };
    let text = serde_json::to_string_pretty(&outcome).expect("texts and numbers serialize");
    sigil_run::atomic_write(&outcome_path, text.as_bytes())?;
    Ok(outcome)
}

fn arguments(
    settings: &SweepSettings,
    trial: &Trial,
    steps: Option<usize>,
    run_folder: &Path,
    resume: bool,
) -> Vec<String> {
    let mut all = match &settings.sweep.config {
        Some(path) => vec!["--config".to_owned(), path.display().to_string()],
        None => vec!["--preset".to_owned(), crate::plan::preset(settings).to_owned()],
    };
    let mut assigned = assignments(settings, trial, steps);
    assigned.push(format!("run.output_dir={}", run_folder.display()));
    for (key, value) in &trial.values {
        assigned.push(format!("run.sweep_metadata.{}={value}", key.replace('.', "_")));
    }
    for assignment in assigned {
        all.extend(["--set".to_owned(), assignment]);
    }
    if settings.sweep.rank_by.needs_judge() {
        all.push(match &settings.sweep.tasks {
            Some(tasks) => format!("--watch-eval={}", tasks.display()),
            None => "--watch-eval".to_owned(),
        });
    }
    if resume {
        all.push("--resume".to_owned());
    }
    all
}

/// The best value that a run reached after a step, and the step.
fn value_of(run_folder: &Path, rank_by: RankBy) -> Option<(u64, f64)> {
    let view = RunView::open(run_folder).ok()?;
    let values: Vec<(u64, f64)> = match rank_by {
        RankBy::EvalLoss => {
            let rows = view.metrics().ok()?.rows;
            rows.iter().filter_map(|row| Some((row.step, row.eval_loss?))).collect()
        }
        judged => {
            let tag = format!("judge/{}", judged.name());
            let bytes = view.read_file("evaluations.jsonl").ok()??;
            let rows = MetricsFile::parse(&bytes).rows;
            rows.iter().filter_map(|row| Some((row.step, *row.extra.get(&tag)?))).collect()
        }
    };
    let values = values.into_iter().filter(|(step, value)| *step > 0 && value.is_finite());
    let sign = if rank_by.lower_is_better() { 1.0 } else { -1.0 };
    values.min_by(|(_, a), (_, b)| (sign * a).total_cmp(&(sign * b)))
}

impl SweepSettings {
    /// Whether the plan has rounds.
    pub(crate) fn has_rounds(&self) -> bool {
        self.sweep.method == Method::Halving
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigil_run::{RunFolder, RunIdentity};

    /// Makes run folders whose loss is a function of the rank.
    struct Script {
        fails: Option<String>,
        stops_at: Option<usize>,
        jobs: Vec<Job>,
    }

    impl Runner for Script {
        fn begin(&mut self, _name: &str, _number: usize, _of: usize, _values: &str) {}

        fn run(&mut self, job: &Job) -> Result<Ended, SweepError> {
            self.jobs.push(job.clone());
            if self.stops_at == Some(self.jobs.len()) {
                return Ok(Ended::Interrupted);
            }
            if self.fails.as_ref().is_some_and(|name| job.name.ends_with(name)) {
                return Ok(Ended::Failed("error: no".to_owned()));
            }
            let argument = |start: &str| {
                let found = job.arguments.iter().find_map(|a| a.strip_prefix(start));
                found.expect("it is given").to_owned()
            };
            let folder = argument("run.output_dir=");
            let identity =
                RunIdentity { created_by: "t".into(), seed: 0, config_digest: String::new() };
            let (run, _) = RunFolder::create_or_open(&folder, &identity)?;
            drop(run);
            let rank: f64 = argument("lora.r=").parse().expect("a number");
            let rows = format!(
                "{{\"step\":0,\"eval_loss\":0.1}}\n{{\"step\":5,\"eval_loss\":{}}}\n",
                1.0 + 1.0 / rank
            );
            std::fs::write(Path::new(&folder).join("metrics.jsonl"), rows).expect("written");
            Ok(Ended::Well)
        }

        fn ended(&mut self, _name: &str, _text: &str) {}
    }

    fn script() -> Script {
        Script { fails: None, stops_at: None, jobs: Vec::new() }
    }

    fn sweep(text: &str) -> (SweepSettings, Plan) {
        let settings = SweepSettings::parse(text, Path::new("s.toml")).expect("sound");
        let plan = Plan::new(&settings, None).expect("sound");
        (settings, plan)
    }

    const GRID: &str = "[keys]\n\"lora.r\" = [4, 8, 16]\n";

    #[test]
    fn a_failed_run_does_not_end_the_sweep_and_is_ranked_last() {
        let folder = tempfile::tempdir().expect("a folder");
        let (settings, plan) = sweep(GRID);
        let mut runner = Script { fails: Some("trial-003".to_owned()), ..script() };
        let results = run(&settings, &plan, folder.path(), false, &mut runner).expect("it ends");
        let names: Vec<&str> = results.ranked().iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["trial-002", "trial-001", "trial-003"]);
        assert_eq!(results.ranked()[0].value, Some(1.125), "the loss before training is not it");
        assert_eq!(results.failed(), 1);
        for name in ["results.json", "report.md", "report.html"] {
            assert!(folder.path().join(name).is_file(), "{name}");
        }

        let mut again = script();
        run(&settings, &plan, folder.path(), false, &mut again).expect("all is there");
        assert_eq!(again.jobs.len(), 0, "nothing is run twice");
        let mut retried = script();
        let results = run(&settings, &plan, folder.path(), true, &mut retried).expect("it ends");
        assert_eq!((retried.jobs.len(), results.failed()), (1, 0));
        let (other, plan) = sweep("[keys]\n\"lora.r\" = [4, 8]\n");
        let error = run(&other, &plan, folder.path(), false, &mut script()).expect_err("another's");
        assert!(matches!(error, SweepError::OtherSweep { .. }), "{error}");
    }

    #[test]
    fn a_sweep_stopped_anywhere_goes_on_to_the_same_results() {
        let (settings, plan) = sweep(GRID);
        let whole = tempfile::tempdir().expect("a folder");
        run(&settings, &plan, whole.path(), false, &mut script()).expect("it ends");
        let read = |folder: &Path| {
            std::fs::read_to_string(folder.join("results.json")).expect("it was written")
        };
        for stops_at in 1..=3 {
            let folder = tempfile::tempdir().expect("a folder");
            let mut stopped = Script { stops_at: Some(stops_at), ..script() };
            let error = run(&settings, &plan, folder.path(), false, &mut stopped);
            assert!(matches!(error, Err(SweepError::Interrupted)));
            run(&settings, &plan, folder.path(), false, &mut script()).expect("it goes on");
            assert_eq!(read(folder.path()), read(whole.path()), "stopped at {stops_at}");
        }
    }

    #[test]
    fn halving_carries_the_better_ones_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let (settings, plan) = sweep(
            "[sweep]\nmethod = \"halving\"\ntrials = 4\nfirst_steps = 10\nfactor = 2\n[keys]\n\
             \"lora.r\" = [4, 8, 16, 32]\n[set]\n\"train.warmup_steps\" = 2\n",
        );
        let mut runner = script();
        let results = run(&settings, &plan, folder.path(), false, &mut runner).expect("it ends");
        assert_eq!(runner.jobs.len(), 4 + 2 + 1);
        let best = results.ranked()[0];
        assert_eq!((best.round, best.values[0].1.as_integer()), (3, Some(32)));
        let last = runner.jobs.last().expect("there are jobs");
        assert!(last.arguments.iter().any(|a| a == "train.num_steps=40"), "{last:?}");
    }
}
