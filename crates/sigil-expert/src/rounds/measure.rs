//! The stages that evaluations and rounds share: tasks are written, samples are made, samples are judged.
//!
//! Next: `round.rs`, which goes on from there.

use std::path::Path;

use serde_json::{Value, json};
use sigil_eval::judge::SampleResult;
use sigil_eval::score::read_results;

use super::experiment::{Adapter, Line};
use super::files::{read_lines, read_samples, write_answers, write_lines, write_tasks};
use super::job::{Job, Runner};
use super::stage::Stage;
use crate::ExpertError;
use crate::report::Measured;
use crate::tasks::MadeTask;

impl Line<'_> {
    /// Samples of evaluation tasks, judged.
    pub(super) fn measure(
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

    pub(super) fn tasks(
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

    pub(super) fn generate(
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
        let was_done = folder.join("generate.stage.json").exists();
        stage.ensure(&self.experiment.folder, runner, |runner| {
            if was_done && samples.exists() {
                // It was whole once, and is no more what it was: nothing in it is gone on from.
                std::fs::remove_file(&samples)
                    .map_err(|source| ExpertError::Folder { path: samples.clone(), source })?;
            }
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
            write_lines(&samples, &lines)?;
            let model = lines.first().map_or(&Value::Null, |row| &row["model"]);
            Ok(json!({"samples": lines.len(), "model": model}))
        })?;
        Ok(())
    }

    pub(super) fn judge(
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
            let protocol = read_protocol(&folder.join("judged/metrics.json"))?;
            let count =
                |test: fn(&SampleResult) -> bool| results.iter().filter(|r| test(r)).count();
            Ok(json!({
                "samples": results.len(),
                "compiled": count(|result| result.compiled),
                "passed": count(|result| result.passed == Some(true)),
                "protocol": protocol,
            }))
        })?;
        Ok(())
    }
}

/// How samples were judged: the toolchain, the sandbox, the crates.
fn read_protocol(path: &Path) -> Result<Value, ExpertError> {
    let bytes = std::fs::read(path)
        .map_err(|source| ExpertError::Read { path: path.to_owned(), source })?;
    let metrics: Value = serde_json::from_slice(&bytes).map_err(|error| ExpertError::Row {
        path: path.to_owned(),
        line: error.line(),
        problem: error.to_string(),
    })?;
    let names = ["rustc_version", "clippy_version", "sandbox", "dependencies", "lint_groups"];
    let of = |name: &str| (name.to_owned(), metrics["protocol"][name].clone());
    Ok(Value::Object(names.into_iter().map(of).collect()))
}
