//! A round in one file: counts, seeds, thresholds, versions, the digests of every stage.
//!
//! The first keys are the predecessor's, with its meanings. Its `generated_at` is there and null: nothing
//! that a run writes hangs on a clock, so that two runs can be compared byte by byte.

use std::path::Path;

use serde_json::{Value, json};

use super::experiment::Line;
use super::files::{TrainRow, read_lines};
use crate::ExpertError;
use crate::report::RoundReport;

impl Line<'_> {
    /// The round in one file: counts, seeds, thresholds, digests of every stage.
    pub(super) fn write_metadata(
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
        let rows: Vec<TrainRow> = read_lines(&folder.join("rows.jsonl"))?;
        let own: Vec<f64> = rows
            .iter()
            .filter(|row| !row.task.starts_with("replay/"))
            .map(|row| row.weight)
            .collect();
        let seeds: serde_json::Map<String, Value> = ["tasks", "generate", "select", "train"]
            .iter()
            .map(|purpose| {
                let seed = self.experiment.seed_of(&format!("{purpose} {}", report.round));
                ((*purpose).to_owned(), seed.into())
            })
            .collect();
        let metadata = json!({
            "num_samples": own.len(),
            "seed": self.experiment.seed,
            "generated_at": null,
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
            "seeds": seeds,
            "start": self.experiment.settings.rounds.start,
            "generated_samples": report.fates.samples,
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
