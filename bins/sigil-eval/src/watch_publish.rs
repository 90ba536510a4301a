//! Puts the numbers of an evaluation where people look: `evaluations.jsonl`, TensorBoard, and the model
//! card of the set.
//!
//! All three are made from the `metrics.json` of the sets, so a watcher that was killed between two of
//! them makes up for it when it starts again. Not `metrics.jsonl`: that is the trainer's, which drops
//! rows of it when it resumes, and two writers would tear it.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use sigil_run::storage::RealStorage;
use sigil_run::{CardMetric, EventFileWriter, MetricsRow, RunError, RunView, card_with_judged};

use crate::contest::of_run;
use crate::exit::Failure;
use crate::watch::EVALUATIONS;
use crate::watch_set::Evaluation;

/// Rates that go out, and their tags.
const TAGS: [(&str, &str); 3] = [
    ("pass_rate", "judge/pass_rate"),
    ("compile_rate", "judge/compile_rate"),
    ("clippy_pass_rate", "judge/lint_rate"),
];

/// Writes into a run what was found about its sets.
pub(crate) struct Publisher {
    run: PathBuf,
    events: Option<EventFileWriter>,
}

impl Publisher {
    /// Of the run in this folder.
    pub(crate) fn new(run: &Path) -> Self {
        Self { run: run.to_owned(), events: None }
    }

    /// Makes up for what a killed watcher had left to do. The notes are for the user.
    pub(crate) fn again(&mut self, view: &RunView) -> Result<Vec<String>, Failure> {
        let all = self.evaluations()?;
        if all.is_empty() {
            return Ok(Vec::new());
        }
        self.write_rows(&all)?;
        self.open_events(&all)?;
        Ok(all.iter().filter_map(|evaluation| write_card(view, evaluation)).collect())
    }

    /// Publishes one evaluation, whose `metrics.json` is written. Gives its row, and notes.
    pub(crate) fn publish(
        &mut self,
        view: &RunView,
        evaluation: &Evaluation,
    ) -> Result<(MetricsRow, Vec<String>), Failure> {
        let all = self.evaluations()?;
        self.write_rows(&all)?;
        let row = row(evaluation);
        match &mut self.events {
            Some(events) => {
                events.append(row.step, now_secs(), &row.tags()).map_err(of_run)?;
                events.sync().map_err(of_run)?;
            }
            None => self.open_events(&all)?,
        }
        Ok((row, write_card(view, evaluation).into_iter().collect()))
    }

    /// All evaluations of the run, by step; those of sets that are gone too.
    fn evaluations(&self) -> Result<Vec<Evaluation>, Failure> {
        let folder = self.run.join(EVALUATIONS);
        let failed = |error: std::io::Error| {
            Failure::new(1, format!("cannot list `{}`: {error}", folder.display()), None)
        };
        let mut all = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            all.extend(Evaluation::read(&entry.map_err(failed)?.path()));
        }
        all.sort_by_key(|evaluation| evaluation.step);
        Ok(all)
    }

    fn write_rows(&self, all: &[Evaluation]) -> Result<(), Failure> {
        let text: String = all.iter().map(|evaluation| row(evaluation).to_line()).collect();
        let path = self.run.join("evaluations.jsonl");
        sigil_run::atomic_write(path, text.as_bytes()).map_err(of_run)
    }

    /// Begins an event file with all evaluations so far; TensorBoard forgets those of files before.
    fn open_events(&mut self, all: &[Evaluation]) -> Result<(), Failure> {
        // A folder of its own: of several event files in one folder TensorBoard reads on only in the
        // newest, and the trainer's must stay that.
        let folder = self.run.join("tensorboard/judge");
        std::fs::create_dir_all(&folder).map_err(|error| {
            Failure::new(1, format!("cannot make `{}`: {error}", folder.display()), None)
        })?;
        let mut events =
            EventFileWriter::create(&RealStorage, &folder, 0, now_secs()).map_err(of_run)?;
        for evaluation in all {
            let row = row(evaluation);
            events.append(row.step, now_secs(), &row.tags()).map_err(of_run)?;
        }
        events.sync().map_err(of_run)?;
        self.events = Some(events);
        Ok(())
    }
}

fn now_secs() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// An evaluation as a row of metrics.
fn row(evaluation: &Evaluation) -> MetricsRow {
    let mut row = MetricsRow::new(evaluation.step);
    for (rate, tag) in TAGS {
        if let Some(estimate) = evaluation.metrics.rates.get(rate) {
            row.extra.insert(tag.to_owned(), estimate.value);
        }
    }
    for (k, estimate) in &evaluation.metrics.pass_at {
        row.extra.insert(format!("judge/pass_at_{k}"), estimate.value);
    }
    row
}

/// Puts the numbers into the set's card; a note where that was not possible.
fn write_card(view: &RunView, evaluation: &Evaluation) -> Option<String> {
    let name = &evaluation.set;
    let set = match view.set(evaluation.step) {
        Ok(set) if set.manifest().sequence == evaluation.sequence => set,
        // Removed or made again since: its numbers stay in `evaluations`.
        _ => return None,
    };
    if !set.contains("README.md") {
        return Some(format!("{name} has no model card, so the numbers are not in one"));
    }
    let written = set.read("README.md").and_then(|bytes| {
        let text = String::from_utf8_lossy(&bytes);
        let Some(card) = card_with_judged(&text, &results(evaluation), &facts(evaluation)) else {
            return Ok(false);
        };
        if card != text {
            view.replace_card(&set, card.as_bytes())?;
        }
        Ok(true)
    });
    match written {
        Ok(true) => None,
        Ok(false) => Some(format!("the card of {name} has another form; it was left alone")),
        Err(RunError::NoSuchSet { .. }) => {
            Some(format!("{name} was removed before the numbers were in its card"))
        }
        Err(_) if view.set(evaluation.step).is_err() => {
            Some(format!("{name} was removed before the numbers were in its card"))
        }
        Err(error) => Some(format!("the card of {name} was left as it is: {error}")),
    }
}

fn results(evaluation: &Evaluation) -> Vec<CardMetric> {
    let metrics = &evaluation.metrics;
    let metric = |kind: String, name: &str, value: f64| CardMetric {
        dataset: metrics.protocol.benchmark.clone(),
        kind,
        name: name.to_owned(),
        value,
    };
    let mut all: Vec<CardMetric> = metrics
        .pass_at
        .iter()
        .map(|(k, estimate)| metric(format!("pass@{k}"), &format!("pass@{k}"), estimate.value))
        .collect();
    for (rate, name) in
        [("compile_rate", "Share that compiles"), ("clippy_pass_rate", "Share without lints")]
    {
        let estimate = metrics.rates.get(rate);
        all.extend(estimate.map(|estimate| metric(rate.to_owned(), name, estimate.value)));
    }
    all
}

fn facts(evaluation: &Evaluation) -> Vec<(String, String)> {
    let (metrics, protocol) = (&evaluation.metrics, &evaluation.metrics.protocol);
    let temperature = protocol.temperature.unwrap_or_default().to_string();
    let seed = protocol.seed.unwrap_or_default().to_string();
    [
        ("Samples judged", format!("{} of {} tasks", metrics.evaluated_samples, metrics.tasks)),
        ("Temperature, seed", format!("{temperature}, {seed}")),
        ("Generator", evaluation.generator.clone()),
        ("Judge", concat!("sigil-eval ", env!("CARGO_PKG_VERSION")).to_owned()),
        ("Compiler", format!("{}; {}", protocol.rustc_version, protocol.clippy_version)),
        ("Sandbox", protocol.sandbox.clone()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
