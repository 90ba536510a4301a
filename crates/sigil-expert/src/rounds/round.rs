//! One round of an arm: its tasks, what is selected of its samples, its training.
//!
//! Next: `metadata.rs`, what is said of it in one file.

use std::path::{Path, PathBuf};

use serde_json::json;
use sigil_eval::judge::SampleResult;
use sigil_eval::score::read_results;

use super::experiment::{Adapter, Arm, Line};
use super::files::{SampleRow, Training, read_samples, whole_text, write_lines, write_rows};
use super::job::{Job, Runner};
use super::stage::{Stage, can_resume};
use crate::ExpertError;
use crate::pairs::pairs;
use crate::report::RoundReport;
use crate::select::{Candidate, select};
use crate::settings::RoundStart;
use crate::tasks::MadeTask;

impl Line<'_> {
    /// One round of an arm.
    pub(super) fn round(
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
        let mut files = vec!["rows.jsonl", "instruction_data.jsonl", "code_only.jsonl"];
        if arm == Arm::Judged {
            inputs.push(results_path.clone());
            files.push("preferences.jsonl");
        }
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
            let found = pairs(&candidates, &settings.score, &settings.select);
            let (rows, fates) = select(candidates, &settings.score, &settings.select, seed);
            if rows.len() < settings.rounds.min_rows {
                return Err(ExpertError::TooFewSelected {
                    arm: arm.name().to_owned(),
                    round,
                    selected: rows.len(),
                    samples: samples.len(),
                });
            }
            let count = (rows.len() as f64 * settings.select.replay).round() as usize;
            let replayed = self.replayed(count, seed);
            write_rows(&folder, &rows, &replayed)?;
            if arm == Arm::Judged {
                write_lines(&folder.join("preferences.jsonl"), &found)?;
            }
            let mut counts = serde_json::to_value(&fates).expect("counts are plain data");
            counts["replayed"] = json!(replayed.len());
            counts["pairs"] = json!(found.len());
            Ok(counts)
        })?;
        let mut counts = counts;
        if let Some(table) = counts.as_object_mut() {
            table.remove("replayed");
            table.remove("pairs");
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
}
