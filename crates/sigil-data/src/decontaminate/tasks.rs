//! The tasks of benchmark files.
//!
//! Is: JSON Lines with `prompt` or `declaration`, `canonical_solution`, and a name, as HumanEval and
//! its relatives have them; plain text fields serve too. Is not: an evaluation. Next: `index.rs`.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// A task to keep out of the training rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// What the file calls it.
    pub id: String,
    /// Declaration and solution as one text.
    pub code: String,
    /// The function that the task asks for.
    pub entry_point: Option<String>,
}

/// Says why a benchmark file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchmarkError {
    /// The file cannot be read.
    #[error("cannot read the benchmark `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A line is no task.
    #[error("`{}` line {line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads the tasks of a JSON Lines file.
///
/// # Errors
/// A file that cannot be read, or a line without code.
pub fn read_tasks(path: &Path) -> Result<Vec<Task>, BenchmarkError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| BenchmarkError::Read { path: path.to_owned(), source })?;
    let mut tasks = Vec::new();
    for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
        let wrong = |reason: String| BenchmarkError::Line { path: path.to_owned(), line, reason };
        let fields: Map<String, Value> =
            serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        tasks.push(task(&fields, line).ok_or_else(|| {
            wrong("no `canonical_solution`, `solution`, `code` or `text` was found".to_owned())
        })?);
    }
    Ok(tasks)
}

fn task(fields: &Map<String, Value>, line: usize) -> Option<Task> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let first = |names: &[&str]| names.iter().find_map(|name| text(name));
    let solution =
        first(&["canonical_solution", "solution", "reference_solution", "code", "text"])?;
    let declaration = first(&["declaration", "prompt"]).unwrap_or_default();
    let entry_point = text("entry_point").map(str::to_owned).or_else(|| last_function(declaration));
    Some(Task {
        id: first(&["task_id", "name", "id"]).map_or_else(|| line.to_string(), str::to_owned),
        code: format!("{declaration}\n{solution}"),
        entry_point,
    })
}

/// Finds the name of the last function that is declared.
fn last_function(code: &str) -> Option<String> {
    let (_, after) = code.rsplit_once("fn ")?;
    let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}
