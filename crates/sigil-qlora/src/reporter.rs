//! What the loop tells the outside: a binary shows it, a test collects it.

use std::path::Path;

use sigil_run::MetricsRow;

use crate::evaluate::{Comparison, Evaluation};

/// Hears what happens in a run. Every method may be left out.
pub trait Reporter {
    /// Something that a person should read: a fallback, a leftover, a skipped step.
    fn note(&mut self, _message: &str) {}
    /// The loop begins at `step` of `total_steps`.
    fn begin(&mut self, _step: u64, _total_steps: u64) {}
    /// A step was taken.
    fn step(&mut self, _row: &MetricsRow, _logged: bool) {}
    /// The held-out documents were scored; the comparison is with the first evaluation of the run.
    fn evaluated(&mut self, _step: u64, _evaluation: &Evaluation, _since: Option<Comparison>) {}
    /// A checkpoint set lies in `path`.
    fn saved(&mut self, _step: u64, _path: &Path) {}
}

/// Hears nothing.
#[derive(Debug, Default)]
pub struct Silent;

impl Reporter for Silent {}
