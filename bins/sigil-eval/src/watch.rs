//! `watch`: generates from every checkpoint set of a run as it lands, judges the samples, and puts the
//! numbers where people look.
//!
//! This file decides which set is next and when to end; `watch_set.rs` evaluates one set,
//! `watch_publish.rs` writes what was found into the run. Nothing here slows the training: the watcher
//! and its children run at a priority that leaves them a share of the cores the training wants, and on
//! the training's own accelerator they work at most for that share of the time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use sigil_run::{CheckpointSet, RunView};

use crate::cli::JudgeArguments;
use crate::contest::of_run;
use crate::exit::Failure;
use crate::generation::Generation;
use crate::stop::Stop;
use crate::watch_publish::Publisher;
use crate::watch_set::{Evaluator, Found, is_done};

/// The folder of the evaluations in a run.
pub(crate) const EVALUATIONS: &str = "evaluations";
/// The largest `nice` value of Linux.
const NICEST: i32 = 19;

/// `watch`.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Run folder of sigil-train
    pub(crate) run: PathBuf,
    /// A benchmark's file: samples are tested too
    #[arg(short, long, value_name = "FILE")]
    pub(crate) tasks: Option<PathBuf>,
    /// Prompts without tests, as for sigil-generate
    #[arg(
        long,
        value_name = "FILE|PRESET",
        default_value = "rust-basics",
        conflicts_with = "tasks"
    )]
    pub(crate) prompts: String,
    /// Samples of every task or prompt
    #[arg(short, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) n: u32,
    /// Report pass@k for these k
    #[arg(long, value_delimiter = ',', default_value = "1")]
    pub(crate) k: Vec<usize>,
    /// The seed of all samples
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Take only so many tasks, from the first
    #[arg(long, value_name = "N", requires = "tasks")]
    pub(crate) limit: Option<usize>,
    /// Leave no task out, even if its own solution does not pass
    #[arg(long)]
    pub(crate) all_tasks: bool,
    /// Base of the run's adapters; otherwise the one they name
    #[arg(long, value_name = "FOLDER|ID")]
    pub(crate) model: Option<String>,
    /// Device of the generator: cpu, auto, cuda:0
    #[arg(long, default_value = "cpu")]
    pub(crate) device: String,
    /// The most of the training's time that evaluation may take, by priority on the CPU and by waiting
    /// on the training's own accelerator
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = share)]
    pub(crate) eval_share: f64,
    /// Judge all sets of a run that has ended, not its newest alone
    #[arg(long)]
    pub(crate) all_checkpoints: bool,
    /// Seconds between looks at the run
    #[arg(long, value_name = "SECS", default_value_t = 2.0, value_parser = seconds)]
    pub(crate) poll: f64,
    #[command(flatten)]
    pub(crate) generation: Generation,
    /// Print a row for every set on stdout as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) judge: JudgeArguments,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a share is a number from 0 to 1".to_owned()),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.01..=86400.0).contains(&seconds) => Ok(seconds),
        _ => Err("not a number of seconds from 0.01 to 86400".to_owned()),
    }
}

/// Runs `watch`.
pub(crate) fn run(arguments: &Watch) -> Result<ExitCode, Failure> {
    if let Some(k) = arguments.k.iter().find(|&&k| k == 0 || k > arguments.n as usize) {
        let message = format!("pass@{k} cannot be had from {} samples of every task", arguments.n);
        return Err(Failure::new(2, message, Some("raise -n, or lower --k".to_owned())));
    }
    // Inherited by every thread and child from here on. Where it is not allowed, nothing is lost.
    let own = rustix::process::getpriority_process(None).unwrap_or_default();
    let nice = (own + niceness(arguments.eval_share)).min(NICEST);
    let _as_it_was = rustix::process::setpriority_process(None, nice);
    let stop = Stop::listen()?;
    let view = RunView::open(&arguments.run).map_err(of_run)?;
    let folder = arguments.run.join(EVALUATIONS);
    std::fs::create_dir_all(&folder).map_err(|error| {
        Failure::new(1, format!("cannot make `{}`: {error}", folder.display()), None)
    })?;
    let _alone = alone(&folder)?;
    let evaluator = Evaluator::open(arguments, &folder, &stop)?;
    let mut publisher = Publisher::new(&arguments.run);
    for note in publisher.again(&view)? {
        say(arguments, &note);
    }
    let takes_old_sets = arguments.all_checkpoints || evaluator.goes_on || has_writer(&view)?;
    let mut watching = Watching {
        arguments,
        view,
        folder,
        passed_over: BTreeSet::new(),
        tries: BTreeMap::new(),
        share: Share::of(arguments),
        judged: 0,
        failed: 0,
    };
    if !takes_old_sets {
        let sets = watching.pending()?;
        let old = sets.len().saturating_sub(1);
        watching.passed_over.extend(sets[..old].iter().map(sequence));
        if old > 0 {
            let what = format!(
                "the run has ended: its newest set is judged, {old} older ones are not (--all-checkpoints)"
            );
            say(arguments, &what);
        }
    }
    watching.finish(&evaluator, &mut publisher, &stop)?;
    if stop.asked() {
        let hint = "the same command goes on where this stopped";
        return Err(Failure::new(130, "interrupted", Some(hint.to_owned())));
    }
    say(arguments, &format!("{} sets judged", watching.judged));
    Ok(if watching.failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

pub(crate) fn say(arguments: &Watch, what: &str) {
    if !arguments.judge.quiet {
        eprintln!("{what}");
    }
}

fn has_writer(view: &RunView) -> Result<bool, Failure> {
    view.has_writer().map_err(of_run)
}

fn sequence(set: &CheckpointSet) -> u64 {
    set.manifest().sequence
}

/// Keeps other watchers away, as long as it lives.
fn alone(folder: &Path) -> Result<File, Failure> {
    let path = folder.join("watch.lock");
    let failed = |error: std::io::Error| {
        Failure::new(1, format!("cannot lock `{}`: {error}", path.display()), None)
    };
    let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let message = format!("another watcher is at work in `{}`", folder.display());
            Err(Failure::new(6, message, None))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// The state of a watcher.
struct Watching<'a> {
    arguments: &'a Watch,
    view: RunView,
    folder: PathBuf,
    /// Commit numbers of sets that will not be judged by this watcher.
    passed_over: BTreeSet<u64>,
    /// How often a set was tried in vain.
    tries: BTreeMap<u64, u32>,
    share: Share,
    judged: usize,
    failed: usize,
}

impl Watching<'_> {
    /// The sets to judge, oldest first.
    fn pending(&self) -> Result<Vec<CheckpointSet>, Failure> {
        let mut sets = self.view.sets().map_err(of_run)?;
        sets.retain(|set| {
            !self.passed_over.contains(&sequence(set)) && !is_done(&self.folder, set)
        });
        sets.reverse();
        Ok(sets)
    }

    /// Judges what lands until the run has ended and nothing is left.
    fn finish(
        &mut self,
        evaluator: &Evaluator<'_>,
        publisher: &mut Publisher,
        stop: &Stop,
    ) -> Result<(), Failure> {
        while !stop.asked() {
            // In this order: what a run commits before it ends is seen before its end.
            let lives = has_writer(&self.view)?;
            let mut sets = self.pending()?;
            if sets.is_empty() && !lives {
                return Ok(());
            }
            let limited = lives && self.share.limit.is_some();
            if sets.is_empty() || (limited && !self.share.allows()) {
                self.wait(stop);
                continue;
            }
            if limited {
                for old in sets.drain(..sets.len() - 1) {
                    let name = old.name();
                    let share = self.arguments.eval_share * 100.0;
                    say(
                        self.arguments,
                        &format!(
                            "{name} is passed over: more than {share} % of the device's time would go into evaluation"
                        ),
                    );
                    self.passed_over.insert(sequence(&old));
                }
            }
            self.one(&sets[0], evaluator, publisher)?;
        }
        Ok(())
    }

    fn one(
        &mut self,
        set: &CheckpointSet,
        evaluator: &Evaluator<'_>,
        publisher: &mut Publisher,
    ) -> Result<(), Failure> {
        let start = Instant::now();
        let found = evaluator.evaluate(&self.view, set);
        match found {
            Ok(Found::Evaluation { evaluation, generating }) => {
                self.share.add(generating);
                let (row, notes) = publisher.publish(&self.view, &evaluation)?;
                notes.iter().for_each(|note| say(self.arguments, note));
                if self.arguments.json {
                    print!("{}", row.to_line());
                } else {
                    println!("{}", evaluation.sentence());
                }
                self.judged += 1;
            }
            Ok(Found::Gone) => {
                self.share.add(start.elapsed());
                say(self.arguments, &format!("{} was removed before it was judged", set.name()));
                self.passed_over.insert(sequence(set));
            }
            Err(failure) if failure.is_interruption() => return Err(failure),
            Err(failure) => {
                self.share.add(start.elapsed());
                let tries = self.tries.entry(sequence(set)).or_default();
                *tries += 1;
                failure.report();
                if *tries == 3 {
                    say(
                        self.arguments,
                        &format!("{} is passed over: it failed thrice", set.name()),
                    );
                    self.passed_over.insert(sequence(set));
                    self.failed += 1;
                }
            }
        }
        Ok(())
    }

    /// Waits for the next look, or until the user stops.
    fn wait(&self, stop: &Stop) {
        let until = Instant::now() + Duration::from_secs_f64(self.arguments.poll);
        while !stop.asked() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(Duration::from_millis(100)));
        }
    }
}

/// The time that generating may take on the training's own device.
struct Share {
    /// `None` where the training is not disturbed.
    limit: Option<f64>,
    start: Instant,
    spent: Duration,
    last: Duration,
}

impl Share {
    fn of(arguments: &Watch) -> Self {
        let training = training_device(&arguments.run);
        let shares = shares_device(&arguments.device, &training);
        let limit = shares.then_some(arguments.eval_share);
        Self { limit, start: Instant::now(), spent: Duration::ZERO, last: Duration::ZERO }
    }

    fn allows(&self) -> bool {
        self.limit.is_none_or(|limit| within(limit, self.start.elapsed(), self.spent, self.last))
    }

    fn add(&mut self, time: Duration) {
        self.spent += time;
        self.last = time;
    }
}

/// Whether one more evaluation like the last keeps within the share. Of the first nothing is known.
fn within(limit: f64, elapsed: Duration, spent: Duration, last: Duration) -> bool {
    (spent + last).as_secs_f64() <= limit * (elapsed + last).as_secs_f64()
}

/// What is added to the `nice` value, so that the scheduler gives this program no more than `share` of
/// a core that the training wants too.
///
/// Linux weighs a thread by 1024 / 1.25ⁿ (`sched_prio_to_weight` in its `kernel/sched/core.c`), and n
/// counts from the training's own value, which this program has as well when the training started it.
fn niceness(share: f64) -> i32 {
    let others_weight = 1.0 / share.clamp(1e-9, 0.5) - 1.0;
    let steps = others_weight.ln() / 1.25f64.ln();
    (steps.ceil() as i32).clamp(0, NICEST)
}

/// The device that the run's settings name.
fn training_device(run: &Path) -> String {
    let text = std::fs::read_to_string(run.join("config.toml")).unwrap_or_default();
    let settings: toml::Table = text.parse().unwrap_or_default();
    let device = settings.get("run").and_then(|run| run.get("device")?.as_str());
    device.unwrap_or("auto").to_owned()
}

/// Whether both may be the same accelerator; the CPU is shared by priority, not by time.
fn shares_device(ours: &str, training: &str) -> bool {
    let name = |device: &str| match device {
        "auto" | "cuda" => "cuda:0".to_owned(),
        other => other.to_owned(),
    };
    ours != "cpu" && training != "cpu" && name(ours) == name(training)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_kept_over_any_run_of_evaluations() {
        let secs = Duration::from_secs;
        assert!(within(0.05, secs(0), secs(0), secs(0)));
        assert!(!within(0.05, secs(10), secs(10), secs(10)));
        // Ten seconds each: the next may begin when it will have been 20 of 400 seconds.
        assert!(!within(0.05, secs(389), secs(10), secs(10)));
        assert!(within(0.05, secs(390), secs(10), secs(10)));
        assert!(!within(0.0, secs(1_000_000), secs(1), secs(1)));
        assert!(within(1.0, secs(1), secs(1), secs(1)));
    }

    #[test]
    fn the_scheduler_gives_no_more_than_the_share() {
        // The kernel's own table of weights, from nice 0 on.
        let weights = [
            1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87, 70, 56, 45, 36, 29, 23, 18,
            15,
        ];
        let given = |nice: i32| {
            let weight = f64::from(weights[usize::try_from(nice).expect("not negative")]);
            weight / (1024.0 + weight)
        };
        for share in [0.02, 0.05, 0.1, 0.3, 0.45] {
            let nice = niceness(share);
            assert!(given(nice) <= share * 1.01, "{share}: nice {nice} gives {}", given(nice));
            assert!(given(nice - 1) > share, "{share}: nice {} would do", nice - 1);
        }
        assert_eq!((niceness(0.0), niceness(0.05), niceness(1.0)), (NICEST, 14, 0));
    }

    #[test]
    fn only_the_trainings_own_accelerator_is_shared_by_time() {
        for (ours, training, shared) in [
            ("cpu", "cpu", false),
            ("cpu", "cuda:0", false),
            ("cuda:0", "cpu", false),
            ("cuda:0", "cuda:0", true),
            ("cuda:1", "cuda:0", false),
            ("auto", "auto", true),
            ("cuda:0", "auto", true),
            ("cuda", "cuda:0", true),
        ] {
            assert_eq!(shares_device(ours, training), shared, "{ours} beside {training}");
        }
    }

    #[test]
    fn the_trainings_device_is_read_from_its_settings() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(training_device(folder.path()), "auto");
        std::fs::write(folder.path().join("config.toml"), "[run]\ndevice = \"cuda:1\"\n")
            .expect("written");
        assert_eq!(training_device(folder.path()), "cuda:1");
    }
}
