//! Reading `metrics.jsonl`, whose last line a killed run may have left torn.
//!
//! A line that is no row is reported with its number and passed over; it never hides the others.

use crate::metrics::row::MetricsRow;

/// A line that is no row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the metrics is not a row: {reason}")]
pub struct MetricsLineError {
    /// The line's number, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// The contents of a `metrics.jsonl`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetricsFile {
    /// The rows, in the order of the file.
    pub rows: Vec<MetricsRow>,
    /// The lines that are no rows.
    pub bad_lines: Vec<MetricsLineError>,
}

impl MetricsFile {
    /// Reads the bytes of a `metrics.jsonl`; never fails as a whole.
    ///
    /// A last line without a newline was cut short: it is bad even if it happens to parse, because
    /// the number at its end may have lost digits.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let mut file = Self::default();
        for (line, text) in (1_u64..).zip(bytes.split_inclusive(|&byte| byte == b'\n')) {
            let parsed = match text.strip_suffix(b"\n") {
                Some(text) => serde_json::from_slice(text).map_err(|error| error.to_string()),
                None => Err("it was cut short".to_owned()),
            };
            match parsed {
                Ok(row) => file.rows.push(row),
                Err(reason) => file.bad_lines.push(MetricsLineError { line, reason }),
            }
        }
        file
    }

    /// The last row that has a value of `eval_loss`, for the model card and for early stopping.
    #[must_use]
    pub fn last_evaluation(&self) -> Option<&MetricsRow> {
        self.rows.iter().rev().find(|row| row.eval_loss.is_some())
    }
}
