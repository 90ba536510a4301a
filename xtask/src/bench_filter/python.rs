//! The predecessor in Python, over the same files: its rule function, and its way from parquet to
//! kept rows. Next: `end_to_end.rs` for our way.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::corpus::File;
use super::error::Error;

/// The port of the predecessor's rules.
const PORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/peers/predecessor_filter.py");

/// What Python measured for one preset.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct PythonCase {
    pub(super) preset: String,
    pub(super) kept: usize,
    pub(super) bytes: usize,
    pub(super) cpu_secs: f64,
    pub(super) wall_secs: f64,
    /// Files that the original decides otherwise, if it was given.
    pub(super) differs_from_original: Option<usize>,
}

impl PythonCase {
    /// Megabytes judged per CPU second.
    pub(super) fn mb_per_cpu_sec(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.cpu_secs.max(1e-9)
    }
}

/// What the port measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct PythonCases {
    /// The rule function over rows in memory.
    pub(super) function: Vec<PythonCase>,
    /// From parquet to kept rows; empty where `pyarrow` or `datasets` is missing.
    pub(super) end_to_end: Vec<PythonCase>,
}

/// Runs the port over the files, which are written to one file under `work`, and to `parquet`.
///
/// # Errors
/// No Python, or a port that fails.
pub(super) fn run(
    python: &Path,
    original: Option<&Path>,
    work: &Path,
    parquet: &Path,
    files: &[&File],
) -> Result<PythonCases, Error> {
    let mut rows = String::new();
    for file in files {
        // The predecessor judges text; what is not UTF-8 never reaches it.
        if let Ok(content) = std::str::from_utf8(&file.bytes) {
            let row = serde_json::json!({ "path": file.path, "content": content });
            writeln!(rows, "{row}").expect("a String takes any text");
        }
    }
    let path = work.join("filter-rows.jsonl");
    std::fs::write(&path, rows).map_err(Error::file("write", &path))?;
    let mut command = Command::new(python);
    command.arg(PORT).arg(&path).arg("--parquet").arg(parquet);
    if let Some(original) = original {
        command.arg("--original").arg(original);
    }
    let output = command.output().map_err(|error| Error::Python(error.to_string()))?;
    if !output.status.success() {
        return Err(Error::Python(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| Error::Python(error.to_string()))
}
