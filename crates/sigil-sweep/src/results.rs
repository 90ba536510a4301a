//! What came of a sweep: ranked, as JSON, as text and as a page.
//!
//! Rows of later rounds stand before those of earlier ones, since they were trained longer; runs without a
//! value come last. Next: `sweep.rs`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use sigil_report::{Cell, Column, LineChart, Page, Series, Table};
use sigil_run::RunView;
use toml::Value;

use crate::SweepError;
use crate::plan::Plan;
use crate::settings::{RankBy, SweepSettings};

/// Curves on the page at most.
const MOST_CURVES: usize = 6;

/// A run and its value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The round, from 1.
    pub round: usize,
    /// The run's name.
    pub name: String,
    /// Steps of the round, where rounds have them.
    pub steps: Option<usize>,
    /// What it set.
    pub values: Vec<(String, Value)>,
    /// What it is ranked by.
    pub value: Option<f64>,
    /// The step that has the value.
    pub step: Option<u64>,
    /// Last words of one that failed.
    pub failure: Option<String>,
}

impl Row {
    /// How it ended, in a line.
    pub(crate) fn sentence(&self, rank_by: RankBy) -> String {
        match (self.value, &self.failure) {
            (Some(value), _) => {
                format!("{} {value:.4} after step {}", rank_by.name(), self.step.unwrap_or(0))
            }
            (None, Some(words)) => {
                format!("FAILED: {}", words.lines().last().unwrap_or_default().trim())
            }
            (None, None) => "no value".to_owned(),
        }
    }
}

/// All runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Results {
    rank_by: RankBy,
    has_rounds: bool,
    keys: Vec<String>,
    planned: usize,
    rows: Vec<Row>,
}

impl Results {
    pub(crate) fn new(settings: &SweepSettings, plan: &Plan) -> Self {
        Self {
            rank_by: settings.sweep.rank_by,
            has_rounds: settings.has_rounds(),
            keys: settings.keys.keys().cloned().collect(),
            planned: plan.rounds.iter().map(|(_, count)| count).sum(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn add_round(&mut self, rows: Vec<Row>) {
        self.rows.extend(rows);
    }

    /// The runs, the best first.
    #[must_use]
    pub fn ranked(&self) -> Vec<&Row> {
        let sign = if self.rank_by.lower_is_better() { 1.0 } else { -1.0 };
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        rows.sort_by(|a, b| {
            let place = |row: &Row| (row.value.is_none(), std::cmp::Reverse(row.round));
            let value = |row: &Row| sign * row.value.unwrap_or(0.0);
            place(a).cmp(&place(b)).then(value(a).total_cmp(&value(b))).then(a.name.cmp(&b.name))
        });
        rows
    }

    /// Number of runs that failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.rows.iter().filter(|row| row.failure.is_some()).count()
    }

    /// Names of a round's runs that have a value, the best first.
    pub(crate) fn order_of_round(&self, round: usize) -> Vec<String> {
        let ranked = self.ranked().into_iter();
        let ranked = ranked.filter(|row| row.round == round && row.value.is_some());
        ranked.map(|row| row.name.clone()).collect()
    }

    /// The results as JSON, ending in a newline; runs in their order, with their rank.
    #[must_use]
    pub fn to_json(&self) -> String {
        let ranked: Vec<serde_json::Value> = self
            .ranked()
            .iter()
            .enumerate()
            .map(|(at, row)| {
                let values: BTreeMap<&str, &Value> =
                    row.values.iter().map(|(key, value)| (key.as_str(), value)).collect();
                serde_json::json!({
                    "rank": at + 1,
                    "round": row.round,
                    "trial": row.name,
                    "values": values,
                    "value": row.value,
                    "step": row.step,
                    "failure": row.failure,
                })
            })
            .collect();
        let whole = serde_json::json!({
            "rank_by": self.rank_by.name(),
            "planned": self.planned,
            "ended": self.rows.len(),
            "failed": self.failed(),
            "runs": ranked,
        });
        serde_json::to_string_pretty(&whole).expect("texts and numbers serialize") + "\n"
    }

    /// The results as a Markdown table.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = format!("| rank | run | {} | step |", self.rank_by.name());
        self.keys.iter().for_each(|key| text += &format!(" {key} |"));
        text += "\n|---|---|---|---|";
        self.keys.iter().for_each(|_| text += "---|");
        text.push('\n');
        for (at, row) in self.ranked().iter().enumerate() {
            let value = row.value.map_or("failed".to_owned(), |value| format!("{value:.4}"));
            let step = row.step.map_or_else(String::new, |step| step.to_string());
            let _ = write!(text, "| {} | {} | {value} | {step} |", at + 1, self.name_of(row));
            for (_, value) in &row.values {
                let _ = write!(text, " {} |", value.to_string().replace('|', "\\|"));
            }
            text.push('\n');
        }
        text
    }

    fn name_of(&self, row: &Row) -> String {
        if self.has_rounds { format!("round-{}/{}", row.round, row.name) } else { row.name.clone() }
    }

    /// Writes `results.json`, `report.md` and `report.html`.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), SweepError> {
        sigil_run::atomic_write(folder.join("results.json"), self.to_json().as_bytes())?;
        sigil_run::atomic_write(folder.join("report.md"), self.to_markdown().as_bytes())?;
        Ok(sigil_run::atomic_write(folder.join("report.html"), self.page(folder).as_bytes())?)
    }

    fn page(&self, folder: &Path) -> String {
        let mut page = Page::new("Sweep");
        let ended = self.rows.len();
        page.paragraph(&format!(
            "{ended} of {} runs have ended, {} of them failed. Ranked by {}, {} is better.",
            self.planned,
            self.failed(),
            self.rank_by.name().replace('_', " "),
            if self.rank_by.lower_is_better() { "lower" } else { "higher" }
        ));
        let ranked = self.ranked();
        page.heading("Ranking");
        let mut columns = vec![Column::number("rank"), Column::text("run")];
        columns.extend([Column::number(self.rank_by.name()), Column::number("step")]);
        columns.extend(self.keys.iter().map(|key| Column::text(key)));
        let mut table = Table::new(columns);
        for (at, row) in ranked.iter().enumerate() {
            let value = row.value.map_or("failed".to_owned(), |value| format!("{value:.4}"));
            let step = row.step.map_or_else(String::new, |step| step.to_string());
            let own = [(at + 1).to_string(), self.name_of(row), value, step];
            let values = row.values.iter().map(|(_, value)| value.to_string());
            table.row(own.into_iter().chain(values).map(Cell::from));
        }
        page.table(&table);
        self.curves(&mut page, folder, &ranked);
        self.effects(&mut page);
        let failed: Vec<&&Row> = ranked.iter().filter(|row| row.failure.is_some()).collect();
        if !failed.is_empty() {
            page.heading("Failures");
            for row in failed {
                page.subheading(&self.name_of(row));
                page.preformatted(row.failure.as_deref().unwrap_or_default());
            }
        }
        page.render()
    }

    fn curves(&self, page: &mut Page, folder: &Path, ranked: &[&Row]) {
        let series = ranked.iter().take(MOST_CURVES).filter_map(|row| {
            let run = folder.join(format!("round-{}/{}", row.round, row.name));
            let rows = RunView::open(run).ok()?.metrics().ok()?.rows;
            let points =
                rows.iter().filter_map(|row| Some((row.step as f64, row.eval_loss?))).collect();
            Some(Series { name: self.name_of(row), points })
        });
        page.heading("Curves");
        page.chart(&LineChart {
            title: "Evaluation loss of the best runs".to_owned(),
            x_axis: "optimizer step".to_owned(),
            y_axis: "nats per token".to_owned(),
            series: series.collect(),
        });
    }

    /// Means by value of each key, over the runs of the first round, which has them all.
    fn effects(&self, page: &mut Page) {
        let mut table = Table::new([
            Column::text("setting"),
            Column::text("value"),
            Column::number("runs"),
            Column::number("mean"),
            Column::number("best"),
        ]);
        for (at, key) in self.keys.iter().enumerate() {
            let mut by_value: BTreeMap<String, Vec<f64>> = BTreeMap::new();
            for row in self.rows.iter().filter(|row| row.round == 1) {
                if let (Some(value), Some((_, set))) = (row.value, row.values.get(at)) {
                    by_value.entry(set.to_string()).or_default().push(value);
                }
            }
            // A key that was drawn from a range has a value of its own in every run.
            if by_value.values().all(|values| values.len() < 2) {
                continue;
            }
            for (set, values) in by_value {
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                let best = values.iter().copied().reduce(|a, b| {
                    if self.rank_by.lower_is_better() { a.min(b) } else { a.max(b) }
                });
                table.row([
                    key.as_str().into(),
                    set.into(),
                    values.len().to_string().into(),
                    format!("{mean:.4}").into(),
                    best.map_or_else(String::new, |best| format!("{best:.4}")).into(),
                ]);
            }
        }
        if !table.is_empty() {
            page.heading("By setting");
            page.paragraph("Means over all runs with the value; other settings vary with them.");
            page.table(&table);
        }
    }
}
