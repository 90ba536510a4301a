//! What is known of a run. Nothing here knows of a terminal.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use sigil_run::{MetricsFile, MetricsRow};

use super::{Planned, curve::Curve};

/// A judged checkpoint set.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) step: u64,
    pub(crate) compiled: Option<f64>,
    pub(crate) passed: Option<f64>,
}

/// A run as it is shown.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) planned: Planned,
    pub(crate) is_open: bool,
    pub(crate) step: u64,
    pub(crate) total_steps: u64,
    /// The step and the moment at which the loop began.
    pub(crate) begun: Option<(u64, Instant)>,
    pub(crate) loss: Curve,
    pub(crate) eval_loss: Curve,
    pub(crate) speed: Curve,
    /// The newest row.
    pub(crate) row: MetricsRow,
    pub(crate) newest_set: Option<(u64, PathBuf)>,
    pub(crate) verdicts: Vec<Verdict>,
    /// Everything that was said, oldest first.
    pub(crate) said: Vec<String>,
}

impl State {
    pub(crate) fn new(planned: Planned) -> Self {
        Self {
            planned,
            is_open: true,
            step: 0,
            total_steps: 0,
            begun: None,
            loss: Curve::default(),
            eval_loss: Curve::default(),
            speed: Curve::default(),
            row: MetricsRow::default(),
            newest_set: None,
            verdicts: Vec::new(),
            said: Vec::new(),
        }
    }

    pub(crate) fn begin(&mut self, step: u64, total_steps: u64) {
        self.step = step;
        self.total_steps = total_steps;
        self.begun = Some((step, Instant::now()));
    }

    /// A row of metrics; one of an evaluation has no training loss.
    pub(crate) fn take(&mut self, row: &MetricsRow) {
        if let Some(loss) = row.eval_loss {
            self.evaluated(row.step, loss);
        }
        let Some(loss) = row.loss else { return };
        self.loss.push(row.step, loss);
        if let Some(speed) = row.tokens_per_second {
            self.speed.push(row.step, speed);
        }
        self.step = row.step;
        self.row = row.clone();
    }

    pub(crate) fn evaluated(&mut self, step: u64, loss: f64) {
        self.eval_loss.push(step, loss);
    }

    pub(crate) fn saved(&mut self, step: u64, path: &Path) {
        self.newest_set = Some((step, path.to_owned()));
    }

    /// Keeps a line, without what a terminal would obey.
    pub(crate) fn say(&mut self, line: &str) {
        self.said.push(line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect());
    }

    /// Takes the verdicts of `evaluations.jsonl`.
    pub(crate) fn judged(&mut self, lines: &[u8]) {
        let rate = |row: &MetricsRow, name: &str| row.extra.get(name).copied();
        let rows = MetricsFile::parse(lines).rows;
        let verdicts = rows.iter().map(|row| Verdict {
            step: row.step,
            compiled: rate(row, "judge/compile_rate"),
            passed: rate(row, "judge/pass_rate"),
        });
        self.verdicts = verdicts.collect();
    }

    /// The time that the rest takes at the mean speed since the loop began.
    pub(crate) fn rest(&self) -> Option<Duration> {
        let (from, begun) = self.begun?;
        let done = self.step.checked_sub(from).filter(|done| *done > 0)?;
        let left = self.total_steps.saturating_sub(self.step);
        Duration::try_from_secs_f64(begun.elapsed().as_secs_f64() / done as f64 * left as f64).ok()
    }

    /// The share of the run that is done, from 0 to 1.
    pub(crate) fn share(&self) -> f64 {
        if self.total_steps == 0 {
            return 0.0;
        }
        (self.step as f64 / self.total_steps as f64).clamp(0.0, 1.0)
    }
}
