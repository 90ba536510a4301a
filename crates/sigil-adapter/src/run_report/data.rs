//! What a page shows of a run, gathered from the files of its folder.
//!
//! Files of the run's own are read as they are meant; files beside them (ledger, evaluations) are shown as
//! far as they are understood. Next: `../run_report.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sigil_config::{Layers, Settings};
use sigil_run::{MetricsFile, MetricsRow, RunView};

use crate::AdapterError;

/// Bytes of a file beside the run that are looked at.
const MOST_BYTES: u64 = 16 << 20;

/// A run.
#[derive(Debug)]
pub(super) struct RunData {
    pub(super) name: String,
    pub(super) created_by: String,
    pub(super) seed: u64,
    pub(super) rows: Vec<MetricsRow>,
    pub(super) bad_lines: usize,
    pub(super) judged: Vec<MetricsRow>,
    pub(super) best: Option<String>,
    /// Name, number of files, bytes; newest first.
    pub(super) sets: Vec<(String, usize, u64)>,
    pub(super) ledger: Vec<StageData>,
    pub(super) notes: Vec<String>,
    pub(super) samples: Vec<SampleData>,
    pub(super) samples_file: String,
    pub(super) config: String,
    pub(super) settings: Option<Settings>,
}

/// A stage of the data ledger.
#[derive(Debug)]
pub(super) struct StageData {
    pub(super) name: String,
    pub(super) read: u64,
    pub(super) kept: u64,
    pub(super) dropped: String,
}

/// A judged sample.
#[derive(Debug)]
pub(super) struct SampleData {
    pub(super) task: String,
    pub(super) number: u64,
    pub(super) text: String,
    pub(super) verdict: String,
    pub(super) message: String,
}

impl RunData {
    pub(super) fn read(view: &RunView) -> Result<Self, AdapterError> {
        let record = view.record()?;
        let metrics = view.metrics()?;
        let judged = view.read_file("evaluations.jsonl")?.unwrap_or_default();
        let config = view.read_file("config.toml")?.unwrap_or_default();
        let config = String::from_utf8_lossy(&config).into_owned();
        let sets = view.sets()?.into_iter().map(|set| {
            let files = &set.manifest().files;
            (set.name().to_owned(), files.len(), files.iter().map(|file| file.bytes).sum())
        });
        let ledger = read_json(&view.path().join("data_ledger.json"));
        let (samples, samples_file) = newest_samples(&view.path().join("evaluations"));
        let best = view.best().ok().flatten();
        Ok(Self {
            name: name_of(view.path()),
            created_by: record.created_by,
            seed: record.seed,
            rows: metrics.rows,
            bad_lines: metrics.bad_lines.len(),
            judged: MetricsFile::parse(&judged).rows,
            best: best.map(|best| format!("step {}", best.step)),
            sets: sets.collect(),
            ledger: stages(&ledger),
            notes: texts(&ledger["notes"]),
            samples,
            samples_file,
            settings: Layers::new()
                .file("config.toml", config.as_str())
                .load()
                .ok()
                .map(|loaded| loaded.settings),
            config,
        })
    }

    pub(super) fn base(&self) -> String {
        self.settings.as_ref().map_or_else(String::new, |settings| settings.model.name.clone())
    }

    /// Over the whole run: the tokens of all steps over the time of all steps.
    pub(super) fn tokens_per_second(&self) -> Option<f64> {
        let last = self.rows.iter().rev().find(|row| row.tokens_seen.is_some())?;
        Some(last.tokens_seen? as f64 / last.seconds.filter(|seconds| *seconds > 0.0)?)
    }
}

/// The last part of the path, whatever way it was written.
fn name_of(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    whole.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into())
}

fn read_limited(path: &Path) -> Option<Vec<u8>> {
    let is_small = std::fs::metadata(path).ok()?.len() <= MOST_BYTES;
    if is_small { std::fs::read(path).ok() } else { None }
}

fn read_json(path: &Path) -> Value {
    let read = read_limited(path).and_then(|bytes| serde_json::from_slice(&bytes).ok());
    read.unwrap_or(Value::Null)
}

fn stages(ledger: &Value) -> Vec<StageData> {
    let Some(stages) = ledger["stages"].as_object() else { return Vec::new() };
    stages
        .iter()
        .map(|(name, tally)| {
            let dropped = tally["dropped"].as_object();
            let dropped: Vec<String> = dropped
                .into_iter()
                .flatten()
                .map(|(reason, count)| format!("{} {count}", reason.replace('_', " ")))
                .collect();
            StageData {
                name: name.replace('_', " "),
                read: tally["read"].as_u64().unwrap_or(0),
                kept: tally["kept"].as_u64().unwrap_or(0),
                dropped: dropped.join(", "),
            }
        })
        .collect()
}

fn texts(value: &Value) -> Vec<String> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

/// Samples of the newest set whose evaluation is complete, with their verdicts, and their file.
fn newest_samples(evaluations: &Path) -> (Vec<SampleData>, String) {
    let Ok(entries) = std::fs::read_dir(evaluations) else { return Default::default() };
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|folder| folder.join("metrics.json").is_file())
        .collect();
    folders.sort();
    let Some(folder) = folders.pop() else { return Default::default() };
    let lines = |name: &str| -> Vec<Value> {
        let bytes = read_limited(&folder.join(name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    let verdicts: BTreeMap<u64, Value> = lines("results.jsonl")
        .into_iter()
        .filter_map(|result| Some((result["index"].as_u64()?, result)))
        .collect();
    let samples = lines("samples.jsonl").into_iter().zip(0_u64..).map(|(sample, index)| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let result = verdicts.get(&index).unwrap_or(&Value::Null);
        let verdict = text(&result["verdict"]["kind"]).replace('_', " ");
        SampleData {
            task: text(&sample["id"]),
            number: sample["sample"].as_u64().unwrap_or(0),
            text: text(&sample["text"]),
            verdict: if verdict.is_empty() { "not judged".to_owned() } else { verdict },
            message: text(&result["message"]),
        }
    });
    let folder = folder.file_name().unwrap_or_default().to_string_lossy();
    (samples.collect(), format!("evaluations/{folder}/samples.jsonl"))
}
