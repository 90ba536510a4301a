//! The order of things: the base is measured, each arm goes through its rounds, each arm is measured.
//!
//! Written as a straight line of stages. Whatever was done is passed over by its record, so a run that
//! was killed goes on where it was, and gives what it would have given. The held-out tasks are touched
//! twice: before everything and after everything. Next: `../report.rs`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sigil_data::Digest;
use sigil_eval::judge::SampleResult;
use sigil_eval::score::read_results;

use super::files::{
    SampleRow, Training, read_lines, read_samples, whole_text, write_answers, write_rows,
    write_tasks,
};
use super::job::{Job, Runner};
use super::stage::{Stage, can_resume};
use crate::ExpertError;
use crate::report::{Measured, Report, RoundReport};
use crate::select::{Candidate, select};
use crate::settings::{ExpertSettings, RoundStart};
use crate::tasks::{
    MadeTask, Split, TaskSet, decontaminate, evaluation_sets, solved_rows, task_set,
};

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
}

/// Does everything that is not done yet, and reports.
///
/// # Errors
/// What stopped it; everything done until then is kept.
pub fn run(experiment: &Experiment, runner: &mut dyn Runner) -> Result<Report, ExpertError> {
    run_over(experiment, evaluation_sets(), runner)
}

/// [`run`] with the evaluation tasks given.
pub(super) fn run_over(
    experiment: &Experiment,
    [mut development, mut held_out]: [TaskSet; 2],
    runner: &mut dyn Runner,
) -> Result<Report, ExpertError> {
    let clean = [development.clone(), held_out.clone()].concat();
    development.truncate(experiment.settings.tasks.development);
    held_out.truncate(experiment.settings.tasks.held_out);
    experiment.open(&clean)?;
    let line = Line { experiment, development, held_out, clean };
    line.run(runner)
}

impl Experiment {
    /// Begins the folder, or checks that it is this run's.
    fn open(&self, evaluation: &[MadeTask]) -> Result<(), ExpertError> {
        let tasks: Vec<String> = evaluation.iter().map(MadeTask::solved).collect();
        let identity = Identity {
            format: 1,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: self.seed,
            settings_digest: Digest::of(self.settings.to_toml().as_bytes()).to_string(),
            evaluation_digest: Digest::of_fields(tasks.iter().map(|text| text.as_bytes()))
                .to_string(),
        };
        std::fs::create_dir_all(&self.folder)
            .map_err(|source| ExpertError::Folder { path: self.folder.clone(), source })?;
        let path = self.folder.join("expert.json");
        if path.exists() {
            let known = std::fs::read(&path).ok();
            let known: Option<Identity> =
                known.and_then(|bytes| serde_json::from_slice(&bytes).ok());
            if known.as_ref() != Some(&identity) {
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
    fn seed_of(&self, purpose: &str) -> u64 {
        Digest::of_fields([self.seed.to_le_bytes().as_slice(), purpose.as_bytes()]).to_u64() >> 1
    }
}

struct Line<'a> {
    experiment: &'a Experiment,
    development: TaskSet,
    held_out: TaskSet,
    /// All evaluation tasks there are, whether this run uses them or not.
    clean: TaskSet,
}

/// Where an evaluation or a round finds its model.
type Adapter<'a> = Option<&'a Path>;

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

    /// Samples of evaluation tasks, judged.
    fn measure(
        &self,
        name: &str,
        adapter: Adapter<'_>,
        held_out: bool,
        runner: &mut dyn Runner,
    ) -> Result<Measured, ExpertError> {
        let settings = &self.experiment.settings.generate;
        let (tasks, count) = if held_out {
            (&self.held_out, settings.held_out_samples)
        } else {
            (&self.development, settings.development_samples)
        };
        self.tasks(name, tasks, runner)?;
        // All arms are sampled alike: with the same seed.
        let purpose = if held_out { "held_out" } else { "development" };
        self.generate(name, adapter, count, self.experiment.seed_of(purpose), runner)?;
        self.judge(name, tasks, runner)?;
        let folder = self.experiment.folder.join(name);
        Measured::new(
            read_results::<SampleResult>(&folder.join("judged/results.jsonl"))?,
            read_samples(&folder.join("samples.jsonl"), tasks)?
                .into_iter()
                .map(|row| (row.id, row.text))
                .collect(),
        )
    }

    fn tasks(
        &self,
        name: &str,
        tasks: &[MadeTask],
        runner: &mut dyn Runner,
    ) -> Result<(), ExpertError> {
        let folder = self.experiment.folder.join(name);
        let (path, prompts) = (folder.join("tasks.jsonl"), folder.join("prompts.jsonl"));
        let stage = Stage {
            name: &format!("{name}/tasks"),
            parameters: format!("{} tasks", tasks.len()),
            inputs: vec![],
            outputs: vec![path.clone(), prompts.clone()],
        };
        stage.ensure(&self.experiment.folder, runner, |_| {
            write_tasks(tasks, &path, &prompts)?;
            Ok(json!({"tasks": tasks.len()}))
        })?;
        Ok(())
    }

    fn generate(
        &self,
        name: &str,
        adapter: Adapter<'_>,
        count: u32,
        seed: u64,
        runner: &mut dyn Runner,
    ) -> Result<(), ExpertError> {
        let settings = &self.experiment.settings.generate;
        let folder = self.experiment.folder.join(name);
        let (prompts, samples) = (folder.join("prompts.jsonl"), folder.join("samples.jsonl"));
        let mut inputs = vec![prompts.clone()];
        inputs.extend(adapter.map(Path::to_owned));
        let stage_name = format!("{name}/generate");
        let stage = Stage {
            name: &stage_name,
            parameters: format!("{settings:?}, {count} each, seed {seed}"),
            inputs,
            outputs: vec![samples.clone()],
        };
        stage.ensure(&self.experiment.folder, runner, |runner| {
            let job = Job::Generate {
                settings: settings.clone(),
                adapter: adapter.map(Path::to_owned),
                prompts,
                samples: samples.clone(),
                count,
                seed,
            };
            runner.run(&stage_name, &job)?;
            // Samples come as they end: the file is put into one order, whatever the machine did.
            let mut lines: Vec<Value> = read_lines(&samples)?;
            let key = |row: &Value| {
                (row["id"].as_str().unwrap_or_default().to_owned(), row["sample"].as_u64())
            };
            lines.sort_by_key(key);
            super::files::write_lines(&samples, &lines)?;
            Ok(json!({"samples": lines.len()}))
        })?;
        Ok(())
    }

    fn judge(
        &self,
        name: &str,
        tasks: &[MadeTask],
        runner: &mut dyn Runner,
    ) -> Result<(), ExpertError> {
        let settings = &self.experiment.settings.judge;
        let folder = self.experiment.folder.join(name);
        let (samples, path) = (folder.join("samples.jsonl"), folder.join("tasks.jsonl"));
        let out = folder.join("judged");
        let results = out.join("results.jsonl");
        let stage_name = format!("{name}/judge");
        let stage = Stage {
            name: &stage_name,
            parameters: format!("dependencies {:?}", settings.dependencies),
            inputs: vec![samples.clone(), path.clone()],
            outputs: vec![results.clone()],
        };
        stage.ensure(&self.experiment.folder, runner, |runner| {
            let answers = folder.join("answers.jsonl");
            write_answers(&answers, &read_samples(&samples, tasks)?)?;
            let cache = self.experiment.folder.join("verdicts");
            let settings = settings.clone();
            let job = Job::Judge { settings, answers, tasks: path, out, cache };
            runner.run(&stage_name, &job)?;
            let results: Vec<SampleResult> = read_results(&results)?;
            let count =
                |test: fn(&SampleResult) -> bool| results.iter().filter(|r| test(r)).count();
            Ok(json!({
                "samples": results.len(),
                "compiled": count(|result| result.compiled),
                "passed": count(|result| result.passed == Some(true)),
            }))
        })?;
        Ok(())
    }

    /// One round of an arm.
    fn round(
        &self,
        arm: Arm,
        round: usize,
        previous: Adapter<'_>,
        runner: &mut dyn Runner,
    ) -> Result<RoundReport, ExpertError> {
        let (experiment, settings) = (self.experiment, &self.experiment.settings);
        let name = format!("{}/round-{round}", arm.name());
        let folder = experiment.folder.join(&name);
        let (tasks, dropped) = self.round_tasks(round);
        self.tasks(&name, &tasks, runner)?;
        // Both arms ask the same tasks with the same seeds; what they answer is theirs.
        let seed = experiment.seed_of(&format!("generate {round}"));
        self.generate(&name, previous, settings.generate.samples, seed, runner)?;
        if arm == Arm::Judged {
            self.judge(&name, &tasks, runner)?;
        }
        let fates = self.select(arm, round, &name, &tasks, runner)?;
        let run = self.train(arm, round, &name, previous, runner)?;
        let development =
            self.measure(&format!("{name}/development"), Some(&run), false, runner)?;
        let report = RoundReport {
            arm,
            round,
            tasks: tasks.len(),
            decontaminated: dropped,
            fates,
            development,
        };
        self.write_metadata(&folder, &name, &report)?;
        Ok(report)
    }

    /// The tasks of a round, and how many were left out since they hold an evaluation task.
    fn round_tasks(&self, round: usize) -> (TaskSet, usize) {
        let settings = &self.experiment.settings.tasks;
        let seen = settings.per_round * settings.seen_percent / 100;
        let seed = self.experiment.seed_of(&format!("tasks {round}"));
        // A third more is drawn than is needed, for those that are left out.
        let draw = |split: Split, count: usize| {
            let clean = decontaminate(task_set(split, count + count / 3 + 8, seed), &self.clean);
            let dropped = clean.dropped.len();
            (clean.tasks.into_iter().take(count).collect::<TaskSet>(), dropped)
        };
        let (mut tasks, first) = draw(Split::Practice, settings.per_round - seen);
        let (more, second) = draw(Split::Seen, seen);
        tasks.extend(more);
        (tasks, first + second)
    }

    fn select(
        &self,
        arm: Arm,
        round: usize,
        name: &str,
        tasks: &[MadeTask],
        runner: &mut dyn Runner,
    ) -> Result<crate::select::Fates, ExpertError> {
        let settings = &self.experiment.settings;
        let folder = self.experiment.folder.join(name);
        let samples_path = folder.join("samples.jsonl");
        let results_path = folder.join("judged/results.jsonl");
        let seed = self.experiment.seed_of(&format!("select {round}"));
        let mut inputs = vec![samples_path.clone(), folder.join("tasks.jsonl")];
        if arm == Arm::Judged {
            inputs.push(results_path.clone());
        }
        let files = ["rows.jsonl", "instruction_data.jsonl", "code_only.jsonl"];
        let stage = Stage {
            name: &format!("{name}/select"),
            parameters: format!("{:?} {:?} seed {seed}", settings.score, settings.select),
            inputs,
            outputs: files.iter().map(|file| folder.join(file)).collect(),
        };
        let counts = stage.ensure(&self.experiment.folder, runner, |_| {
            let samples: Vec<SampleRow> = read_samples(&samples_path, tasks)?;
            let mut results: Vec<Option<SampleResult>> = match arm {
                Arm::Judged => read_results(&results_path)?.into_iter().map(Some).collect(),
                Arm::Unjudged => vec![None; samples.len()],
            };
            results.resize(samples.len(), None);
            let of_task = |id: &str| tasks.iter().find(|task| task.task_id == id);
            let candidates: Vec<Candidate> = samples
                .iter()
                .zip(results)
                // A sample of the judged arm that has no verdict is no candidate.
                .filter(|(_, result)| arm == Arm::Unjudged || result.is_some())
                .filter_map(|(row, result)| {
                    let task = of_task(&row.id)?;
                    Some(Candidate {
                        task_id: task.task_id.clone(),
                        composition: task.composition.clone(),
                        text: whole_text(task, &row.text),
                        prompt: task.prompt.clone(),
                        result,
                    })
                })
                .collect();
            let (rows, fates) = select(candidates, &settings.score, &settings.select, seed);
            if rows.len() < settings.rounds.min_rows {
                return Err(ExpertError::TooFewSelected {
                    arm: arm.name().to_owned(),
                    round,
                    selected: rows.len(),
                    samples: samples.len(),
                });
            }
            let mut left = (rows.len() as f64 * settings.select.replay).round() as usize;
            let replayed = solved_rows(seed, &self.clean, &mut |_| {
                let enough = left == 0;
                left = left.saturating_sub(1);
                enough
            });
            write_rows(&folder, &rows, &replayed)?;
            let mut counts = serde_json::to_value(&fates).expect("counts are plain data");
            counts["replayed"] = json!(replayed.len());
            Ok(counts)
        })?;
        let mut counts = counts;
        if let Some(table) = counts.as_object_mut() {
            table.remove("replayed");
        }
        serde_json::from_value(counts).map_err(|error| ExpertError::Row {
            path: folder.join("select.stage.json"),
            line: 1,
            problem: error.to_string(),
        })
    }

    /// Trains, and gives the run's folder.
    fn train(
        &self,
        arm: Arm,
        round: usize,
        name: &str,
        previous: Adapter<'_>,
        runner: &mut dyn Runner,
    ) -> Result<PathBuf, ExpertError> {
        let (experiment, settings) = (self.experiment, &self.experiment.settings);
        let folder = experiment.folder.join(name);
        let (config, run) = (folder.join("train.toml"), folder.join("run"));
        let first = if settings.rounds.start == RoundStart::Base { 1 } else { round };
        let rows: Vec<PathBuf> = (first..=round)
            .map(|round| {
                experiment.folder.join(arm.name()).join(format!("round-{round}/rows.jsonl"))
            })
            .collect();
        let start = previous.filter(|_| settings.rounds.start == RoundStart::Last);
        let seed = experiment.seed_of(&format!("train {round}"));
        let mut inputs = rows.clone();
        inputs.extend(start.map(Path::to_owned));
        let stage_name = format!("{name}/train");
        let stage = Stage {
            name: &stage_name,
            parameters: format!("{} seed {seed}", settings.training),
            inputs,
            outputs: vec![config.clone(), run.clone()],
        };
        stage.ensure(&experiment.folder, runner, |runner| {
            let training = Training {
                settings: &settings.training,
                model: &settings.generate.model,
                rows: rows.iter().map(PathBuf::as_path).collect(),
                run: &run,
                start,
                seed,
            };
            training.write(&config)?;
            let resume = can_resume(&run);
            if !resume && run.exists() {
                // It was killed before its first set: there is nothing to go on from.
                std::fs::remove_dir_all(&run)
                    .map_err(|source| ExpertError::Folder { path: run.clone(), source })?;
            }
            let job = Job::Train { config: config.clone(), run: run.clone(), resume };
            runner.run(&stage_name, &job)?;
            Ok(json!({"rows": rows.len()}))
        })?;
        Ok(run)
    }

    /// The round in one file: counts, seeds, thresholds, digests of every stage.
    fn write_metadata(
        &self,
        folder: &Path,
        name: &str,
        report: &RoundReport,
    ) -> Result<(), ExpertError> {
        let stages: Vec<Value> = ["tasks", "generate", "judge", "select", "train"]
            .iter()
            .filter_map(|stage| {
                let path = self.experiment.folder.join(format!("{name}/{stage}.stage.json"));
                serde_json::from_slice(&std::fs::read(path).ok()?).ok()
            })
            .collect();
        let rows: Vec<super::files::TrainRow> = read_lines(&folder.join("rows.jsonl"))?;
        let own: Vec<f64> = rows
            .iter()
            .filter(|row| !row.task.starts_with("replay/"))
            .map(|row| row.weight)
            .collect();
        let metadata = json!({
            "num_samples": report.fates.samples,
            "seed": self.experiment.seed,
            "has_weights": true,
            "quality_stats": {
                "avg_weight": own.iter().sum::<f64>() / own.len().max(1) as f64,
                "min_weight": own.iter().copied().fold(f64::INFINITY, f64::min),
                "max_weight": own.iter().copied().fold(0.0, f64::max),
                "weighted_samples": own.len(),
            },
            "version": env!("CARGO_PKG_VERSION"),
            "arm": report.arm,
            "round": report.round,
            "tasks": report.tasks,
            "decontaminated_tasks": report.decontaminated,
            "fates": report.fates,
            "score": self.experiment.settings.score,
            "select": self.experiment.settings.select,
            "development": report.development.summary(),
            "stages": stages,
        });
        let text = serde_json::to_string_pretty(&metadata).expect("metadata is plain data");
        Ok(sigil_run::atomic_write(folder.join("metadata.json"), format!("{text}\n").as_bytes())?)
    }
}
