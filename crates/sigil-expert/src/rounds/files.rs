//! What lies between the programs: prompts, samples, answers, rows to train on, and the settings that
//! each training is given.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sigil_eval::score::to_lines;
use sigil_eval::task::program;

use crate::ExpertError;
use crate::select::Selected;
use crate::tasks::MadeTask;

/// A sample as `sigil-generate` writes it; what else it writes is not needed here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SampleRow {
    pub(super) id: String,
    pub(super) sample: u32,
    pub(super) text: String,
}

/// A row as `sigil-train` reads it: the text that prompt and answer make together, so that the tokens
/// of the prompt are those that the model is given when it generates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TrainRow {
    pub(super) text: String,
    pub(super) weight: f64,
    #[serde(rename = "_task")]
    pub(super) task: String,
    #[serde(rename = "_composition")]
    pub(super) composition: String,
    #[serde(rename = "_score")]
    pub(super) score: f64,
}

pub(super) fn read_lines<T: serde::de::DeserializeOwned>(
    path: &Path,
) -> Result<Vec<T>, ExpertError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ExpertError::Read { path: path.to_owned(), source })?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|error| ExpertError::Row {
                path: path.to_owned(),
                line: index + 1,
                problem: error.to_string(),
            })
        })
        .collect()
}

pub(super) fn write_lines<T: Serialize>(path: &Path, rows: &[T]) -> Result<(), ExpertError> {
    Ok(sigil_run::atomic_write(path, to_lines(rows).as_bytes())?)
}

/// Writes tasks for the judge and their prompts for the generator.
pub(super) fn write_tasks(
    tasks: &[MadeTask],
    tasks_path: &Path,
    prompts_path: &Path,
) -> Result<(), ExpertError> {
    write_lines(tasks_path, tasks)?;
    let prompts: Vec<_> =
        tasks.iter().map(|task| json!({"id": task.task_id, "prompt": task.prompt})).collect();
    write_lines(prompts_path, &prompts)
}

/// Reads the samples of tasks, in the order of the tasks and of their numbers.
///
/// # Errors
/// A file that cannot be read, a sample of a task that was not asked.
pub(super) fn read_samples(path: &Path, tasks: &[MadeTask]) -> Result<Vec<SampleRow>, ExpertError> {
    let places: BTreeMap<&str, usize> =
        tasks.iter().enumerate().map(|(at, task)| (task.task_id.as_str(), at)).collect();
    let mut samples: Vec<SampleRow> = read_lines(path)?;
    if let Some(at) = samples.iter().position(|row| !places.contains_key(row.id.as_str())) {
        return Err(ExpertError::Row {
            path: path.to_owned(),
            line: at + 1,
            problem: format!("there is no task `{}`", samples[at].id),
        });
    }
    samples.sort_by_key(|row| (places[row.id.as_str()], row.sample));
    Ok(samples)
}

/// Writes samples as answers for the judge.
pub(super) fn write_answers(path: &Path, samples: &[SampleRow]) -> Result<(), ExpertError> {
    let answers: Vec<_> = samples
        .iter()
        .map(|row| json!({"task_id": row.id, "sample": row.sample, "completion": row.text}))
        .collect();
    write_lines(path, &answers)
}

/// The whole program of a sample: its prompt and what was written, without what follows the function.
pub(super) fn whole_text(task: &MadeTask, text: &str) -> String {
    let mut whole = program(&task.to_task(), text).text.trim_end().to_owned();
    whole.push('\n');
    whole
}

/// A row of earlier data.
pub(super) struct Replayed {
    pub(super) text: String,
    /// Begins with `replay/`.
    pub(super) name: String,
    pub(super) composition: String,
}

/// Writes what was selected: the rows that are trained on, and the predecessor's two files.
pub(super) fn write_rows(
    folder: &Path,
    selected: &[Selected],
    replayed: &[Replayed],
) -> Result<(), ExpertError> {
    let own = selected.iter().map(|row| TrainRow {
        text: row.text.clone(),
        weight: row.weight,
        task: row.task_id.clone(),
        composition: row.composition.clone(),
        score: row.score,
    });
    let earlier = replayed.iter().map(|row| TrainRow {
        text: row.text.clone(),
        weight: 1.0,
        task: row.name.clone(),
        composition: row.composition.clone(),
        score: 1.0,
    });
    write_lines(&folder.join("rows.jsonl"), &own.chain(earlier).collect::<Vec<_>>())?;
    let instruction: Vec<_> = selected
        .iter()
        .map(|row| {
            let text = format!("{}\n\n```rust\n{}```\n", row.prompt, row.text);
            json!({"text": text, "weight": row.weight})
        })
        .collect();
    write_lines(&folder.join("instruction_data.jsonl"), &instruction)?;
    let code: Vec<_> =
        selected.iter().map(|row| json!({"text": row.text, "weight": row.weight})).collect();
    write_lines(&folder.join("code_only.jsonl"), &code)
}

/// The settings of one training.
pub(crate) struct Training<'a> {
    pub(crate) settings: &'a toml::Table,
    pub(crate) model: &'a str,
    pub(crate) rows: Vec<&'a Path>,
    pub(crate) run: &'a Path,
    pub(crate) start: Option<&'a Path>,
    pub(crate) seed: u64,
}

impl Training<'_> {
    /// Writes them as `sigil-train` reads them, after its own rules accepted them.
    ///
    /// # Errors
    /// Settings that these rules refuse.
    pub(super) fn write(&self, path: &Path) -> Result<(), ExpertError> {
        let written = self
            .to_toml()
            .map_err(|problem| ExpertError::Settings { path: path.to_owned(), problem })?;
        Ok(sigil_run::atomic_write(path, written.as_bytes())?)
    }

    /// As text that the rules of `sigil-train` accept, or what they say against it.
    pub(crate) fn to_toml(&self) -> Result<String, String> {
        let mut all = self.settings.clone();
        let mut set = |section: &str, key: &str, value: toml::Value, always: bool| {
            let table = all.entry(section).or_insert_with(|| toml::Table::new().into());
            if let Some(table) = table.as_table_mut()
                && (always || !table.contains_key(key))
            {
                table.insert(key.to_owned(), value);
            }
        };
        let text = |path: &Path| toml::Value::from(path.display().to_string());
        set("model", "name", self.model.into(), false);
        set("model", "mode", "lora".into(), false);
        if let Some(start) = self.start {
            set("model", "load_from", text(start), true);
        }
        let rows: Vec<String> =
            self.rows.iter().map(|path| format!("local:{}", path.display())).collect();
        set("dataset", "names", rows.into(), true);
        // Rows were chosen and compared here; short ones are what is wanted.
        set("dataset", "min_length", 1.into(), false);
        for (key, value) in [
            ("exclude_tests", false),
            ("exclude_benches", false),
            ("near_duplicates", false),
            ("use_cache", false),
        ] {
            set("dataset", key, value.into(), false);
        }
        set("dataset", "shuffle_seed", ((self.seed >> 32) as i64).into(), false);
        set("run", "output_dir", text(self.run), true);
        set("run", "seed", ((self.seed >> 1) as i64).into(), true);
        let written = all.to_string();
        let loaded = sigil_config::Layers::new().file("training.toml", written.as_str()).load();
        loaded.map_err(|errors| in_one_line(&errors.to_string()))?;
        Ok(written)
    }
}

/// Problems of settings, each with its hint, without the excerpts of a text that nobody wrote.
fn in_one_line(told: &str) -> String {
    let mut problems: Vec<String> = Vec::new();
    for line in told.lines() {
        if let Some(problem) = line.strip_prefix("error: ") {
            problems.push(problem.to_owned());
        } else if let (Some(hint), Some(last)) =
            (line.trim().strip_prefix("hint: "), problems.last_mut())
        {
            last.push_str(&format!(" ({hint})"));
        }
    }
    format!("[training]: {}", problems.join("; "))
}
