//! The order of things: the base is measured, each arm goes through its rounds, each arm is measured.
//!
//! Written as a straight line of stages. Whatever was done is passed over by its record, so a run that
//! was killed goes on where it was, and gives what it would have given. The held-out tasks are touched
//! twice: before everything and after everything. Next: `measure.rs` and `round.rs`, then `../report.rs`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sigil_data::Digest;

use super::job::Runner;
use super::pool::{OwnPool, Pool};
use crate::ExpertError;
use crate::report::{Report, RoundReport};
use crate::settings::ExpertSettings;
use crate::tasks::{MadeTask, TaskSet};

/// What decides which samples are trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// Verdicts.
    Judged,
    /// Nothing: as many steps on samples as they come.
    Unjudged,
}

impl Arm {
    /// Its name, also of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Judged => "judged",
            Self::Unjudged => "unjudged",
        }
    }
}

/// A run of expert iteration.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// How.
    pub settings: ExpertSettings,
    /// The seed of everything but the evaluation tasks.
    pub seed: u64,
    /// In this order; the judged one first, since it decides how many rounds there are.
    pub arms: Vec<Arm>,
    /// The run's folder.
    pub folder: PathBuf,
}

/// What a run's folder says of the run.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    format: u32,
    version: String,
    seed: u64,
    settings_digest: String,
    evaluation_digest: String,
    /// Of tasks of the user's own, where there are some.
    pool_digest: Option<String>,
}

/// Does everything that is not done yet, and reports.
///
/// # Errors
/// What stopped it; everything done until then is kept.
pub fn run(experiment: &Experiment, runner: &mut dyn Runner) -> Result<Report, ExpertError> {
    run_over(experiment, Pool::read(&experiment.settings)?, runner)
}

/// [`run`] with the tasks given.
pub(super) fn run_over(
    experiment: &Experiment,
    pool: Pool,
    runner: &mut dyn Runner,
) -> Result<Report, ExpertError> {
    let own_digest = pool.own_digest();
    let Pool { mut development, mut held_out, own } = pool;
    let clean = [development.clone(), held_out.clone()].concat();
    development.truncate(experiment.settings.tasks.development);
    held_out.truncate(experiment.settings.tasks.held_out);
    experiment.open(&clean, own_digest)?;
    let line = Line { experiment, development, held_out, clean, own };
    line.run(runner)
}

impl Experiment {
    /// Begins the folder, or checks that it is this run's.
    fn open(&self, evaluation: &[MadeTask], pool: Option<String>) -> Result<(), ExpertError> {
        let whole = |task: &MadeTask| format!("{}\0{}", task.solved(), task.test);
        let tasks: Vec<String> = evaluation.iter().map(whole).collect();
        let identity = Identity {
            format: 1,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: self.seed,
            settings_digest: Digest::of(self.settings.to_toml().as_bytes()).to_string(),
            evaluation_digest: Digest::of_fields(tasks.iter().map(|text| text.as_bytes()))
                .to_string(),
            pool_digest: pool,
        };
        std::fs::create_dir_all(&self.folder)
            .map_err(|source| ExpertError::Folder { path: self.folder.clone(), source })?;
        // A killed run may have left half a file anywhere; whoever runs this holds the folder alone.
        sigil_run::remove_unfinished_writes(&self.folder)?;
        let path = self.folder.join("expert.json");
        if path.exists() {
            let bytes = std::fs::read(&path)
                .map_err(|source| ExpertError::Read { path: path.clone(), source })?;
            let known: Identity = serde_json::from_slice(&bytes).map_err(|error| {
                ExpertError::NotARun { path: path.clone(), problem: error.to_string() }
            })?;
            if known != identity {
                return Err(ExpertError::OtherRun { folder: self.folder.clone() });
            }
            return Ok(());
        }
        sigil_run::atomic_write(
            self.folder.join("settings.toml"),
            self.settings.to_toml().as_bytes(),
        )?;
        let text = serde_json::to_string_pretty(&identity).expect("names and numbers");
        Ok(sigil_run::atomic_write(&path, format!("{text}\n").as_bytes())?)
    }

    /// A seed for one purpose.
    pub(super) fn seed_of(&self, purpose: &str) -> u64 {
        Digest::of_fields([self.seed.to_le_bytes().as_slice(), purpose.as_bytes()]).to_u64() >> 1
    }
}

pub(super) struct Line<'a> {
    pub(super) experiment: &'a Experiment,
    pub(super) development: TaskSet,
    pub(super) held_out: TaskSet,
    /// All evaluation tasks there are, whether this run uses them or not.
    pub(super) clean: TaskSet,
    pub(super) own: Option<OwnPool>,
}

/// Where an evaluation or a round finds its model.
pub(super) type Adapter<'a> = Option<&'a Path>;

impl Line<'_> {
    fn run(&self, runner: &mut dyn Runner) -> Result<Report, ExpertError> {
        let (settings, folder) = (&self.experiment.settings, &self.experiment.folder);
        let base_development = self.measure("base/development", None, false, runner)?;
        let base = self.measure("base/held_out", None, true, runner)?;
        let mut arms = Vec::new();
        let mut rounds: Vec<RoundReport> = Vec::new();
        let (mut count, mut chosen) = (settings.rounds.count, None);
        for &arm in &self.experiment.arms {
            let mut previous: Option<PathBuf> = None;
            let mut runs: Vec<PathBuf> = Vec::new();
            let (mut best, mut stale) = ((base_development.pass_rate(), 0), 0);
            for round in 1..=count {
                let report = self.round(arm, round, previous.as_deref(), runner)?;
                let rate = report.development.pass_rate();
                let run = folder.join(arm.name()).join(format!("round-{round}")).join("run");
                runs.push(run.clone());
                previous = Some(run);
                rounds.push(report);
                if rate > best.0 + settings.rounds.min_gain {
                    (best, stale) = ((rate, round), 0);
                } else {
                    stale += 1;
                }
                let patience = settings.rounds.patience;
                if arm == Arm::Judged && patience > 0 && stale >= patience {
                    break;
                }
            }
            if arm == Arm::Judged {
                // The other arm gets as many steps as the model that this one hands over.
                count = if best.1 == 0 { runs.len() } else { best.1 };
                chosen = Some(count);
            }
            let last = chosen.unwrap_or(count).min(runs.len());
            let name = format!("{}/held_out", arm.name());
            let measured = self.measure(&name, Some(&runs[last - 1]), true, runner)?;
            arms.push((arm, last, measured));
        }
        let report =
            Report::new(self.experiment, base_development, base, arms, rounds, &self.held_out)?;
        sigil_run::atomic_write(folder.join("report.json"), report.to_json().as_bytes())?;
        sigil_run::atomic_write(folder.join("report.md"), report.to_markdown().as_bytes())?;
        Ok(report)
    }
}
