//! What makes a stage count: a record beside its files, written whole when everything else is there.
//!
//! The record names the digest of what went in and of what came out. A stage whose record fits is done;
//! any other is done again, from what its programs can continue. Next: `experiment.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sigil_data::Digest;

use super::job::Runner;
use crate::ExpertError;

/// That a stage was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageRecord {
    /// Its name.
    pub stage: String,
    /// The version of this program.
    pub version: String,
    /// What it was told, seeds included.
    pub parameters: String,
    /// Digests of what it read, by path in the run's folder.
    pub inputs: BTreeMap<String, String>,
    /// Digests of what it wrote.
    pub outputs: BTreeMap<String, String>,
    /// What was counted.
    pub counts: serde_json::Value,
}

/// A stage to do.
pub(super) struct Stage<'a> {
    /// Its name: a path below the run's folder.
    pub(super) name: &'a str,
    pub(super) parameters: String,
    pub(super) inputs: Vec<PathBuf>,
    pub(super) outputs: Vec<PathBuf>,
}

impl Stage<'_> {
    /// Does the stage with `work`, unless its record says that it is done, and gives what was counted.
    pub(super) fn ensure(
        &self,
        root: &Path,
        runner: &mut dyn Runner,
        work: impl FnOnce(&mut dyn Runner) -> Result<serde_json::Value, ExpertError>,
    ) -> Result<serde_json::Value, ExpertError> {
        let path = root.join(format!("{}.stage.json", self.name));
        let inputs = digests(root, &self.inputs, self.name)?;
        if let Some(record) = read(&path)
            && record.stage == self.name
            && record.parameters == self.parameters
            && record.inputs == inputs
            && digests(root, &self.outputs, self.name).is_ok_and(|found| found == record.outputs)
        {
            runner.ended(self.name, "was done");
            return Ok(record.counts);
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|source| ExpertError::Folder { path: folder.to_owned(), source })?;
        }
        runner.begin(self.name)?;
        let counts = work(runner)?;
        let record = StageRecord {
            stage: self.name.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            parameters: self.parameters.clone(),
            inputs,
            outputs: digests(root, &self.outputs, self.name)?,
            counts: counts.clone(),
        };
        let text = serde_json::to_string_pretty(&record).expect("a record is plain data");
        sigil_run::atomic_write(&path, format!("{text}\n").as_bytes())?;
        runner.ended(self.name, &brief(&counts));
        Ok(counts)
    }
}

/// Counts in one line.
fn brief(counts: &serde_json::Value) -> String {
    let Some(table) = counts.as_object() else { return String::new() };
    let parts: Vec<String> = table
        .iter()
        .filter(|(_, value)| value.is_number() || value.is_string())
        .map(|(name, value)| format!("{name} {}", value.to_string().trim_matches('"')))
        .collect();
    parts.join(", ")
}

/// A record that cannot be read is none: the stage is done again.
fn read(path: &Path) -> Option<StageRecord> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// The digest of each file. A run's folder stands for the weights of its newest set: its card and its state
/// tell times, which no two runs have in common.
fn digests(
    root: &Path,
    paths: &[PathBuf],
    stage: &str,
) -> Result<BTreeMap<String, String>, ExpertError> {
    paths
        .iter()
        .map(|path| {
            let missing = || ExpertError::NoOutput { stage: stage.to_owned(), path: path.clone() };
            let digest = if path.is_dir() {
                newest_weights(path).ok_or_else(missing)?
            } else {
                Digest::of(&std::fs::read(path).map_err(|_| missing())?)
            };
            let name = path.strip_prefix(root).unwrap_or(path).display().to_string();
            Ok((name, digest.to_string()))
        })
        .collect()
}

/// The digest of the weights, and of what says how they are used, in a run's newest whole set.
fn newest_weights(run: &Path) -> Option<Digest> {
    let newest = sigil_run::RunView::open(run).ok()?.newest_whole_set().ok()?;
    let set = newest.set?;
    let files =
        set.manifest().files.iter().filter(|file| {
            file.name.ends_with(".safetensors") || file.name == "adapter_config.json"
        });
    let fields: Vec<&[u8]> =
        files.flat_map(|file| [file.name.as_bytes(), file.sha256.as_bytes()]).collect();
    Some(Digest::of_fields(fields))
}

/// Whether a run's folder has a set to go on from.
pub(super) fn can_resume(run: &Path) -> bool {
    newest_weights(run).is_some()
}
