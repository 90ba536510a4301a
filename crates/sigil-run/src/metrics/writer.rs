//! Logging rows to both files at once, and continuing both when a run resumes.
//!
//! Rows are not fsynced one by one: a kill loses none, a power cut may lose the last ones. Call
//! [`MetricsWriter::sync`] before a checkpoint set is committed.

use std::path::Path;

use crate::atomic::atomic_write_with;
use crate::error::RunError;
use crate::layout;
use crate::metrics::append::AppendFile;
use crate::metrics::events::EventFileWriter;
use crate::metrics::row::MetricsRow;
use crate::note::Note;
use crate::view::RunView;

/// Where the curve goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumePoint {
    /// The run starts from nothing; rows of an attempt that never made a set are dropped.
    Start,
    /// The run goes on after the set of this step; rows of later steps are dropped.
    After(u64),
}

/// Appends metrics rows to `metrics.jsonl` and to a TensorBoard event file.
#[derive(Debug)]
pub struct MetricsWriter {
    lines: AppendFile,
    events: EventFileWriter,
}

impl MetricsWriter {
    /// Opens the metrics of a run for appending. Rows that will be logged again and lines that are
    /// no rows are dropped from `metrics.jsonl` (atomically) and said in the notes; a new event file
    /// makes TensorBoard forget the same steps.
    ///
    /// Call it through [`crate::RunFolder::metrics_writer`], which has the lock.
    ///
    /// # Errors
    /// What the system reports.
    pub(crate) fn open(
        view: &RunView,
        resume: ResumePoint,
        events_folder: &Path,
        wall_time_secs: f64,
    ) -> Result<(Self, Vec<Note>), RunError> {
        let storage = view.storage.as_ref();
        let path = view.root.join(layout::METRICS);
        let file = view.metrics()?;
        let mut notes: Vec<Note> = file
            .bad_lines
            .into_iter()
            .map(|bad| Note::BadLineDropped { line: bad.line, reason: bad.reason })
            .collect();
        let row_count = file.rows.len();
        let mut rows = file.rows;
        let after_step = match resume {
            ResumePoint::Start => {
                rows.clear();
                0
            }
            ResumePoint::After(step) => {
                rows.retain(|row| row.step <= step);
                step
            }
        };
        let dropped = (row_count - rows.len()) as u64;
        if dropped > 0 {
            notes.push(Note::RowsDropped { count: dropped, after_step });
        }
        if !notes.is_empty() {
            let contents: String = rows.iter().map(MetricsRow::to_line).collect();
            atomic_write_with(storage, &path, contents.as_bytes())?;
        }
        let first_step = match resume {
            ResumePoint::Start => 0,
            ResumePoint::After(step) => step.saturating_add(1),
        };
        let lines = AppendFile::open(storage, &path)?;
        let events = EventFileWriter::create(storage, events_folder, first_step, wall_time_secs)?;
        Ok((Self { lines, events }, notes))
    }

    /// Appends one row to both files; each gets it whole or not at all.
    ///
    /// # Errors
    /// What the system reports; logging can be tried again with the next row.
    pub fn append(&mut self, row: &MetricsRow, wall_time_secs: f64) -> Result<(), RunError> {
        self.lines.append(row.to_line().as_bytes())?;
        self.events.append(row.step, wall_time_secs, &row.tags())
    }

    /// Returns once every row is on the device.
    ///
    /// # Errors
    /// What the system reports.
    pub fn sync(&mut self) -> Result<(), RunError> {
        self.lines.sync()?;
        self.events.sync()
    }
}
