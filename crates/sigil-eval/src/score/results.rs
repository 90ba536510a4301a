//! The file of results: one JSON object a line, in the order of the input.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::EvalError;

/// Rows as lines of JSON.
pub fn to_lines<T: Serialize>(rows: &[T]) -> String {
    let mut text = String::new();
    for row in rows {
        text.push_str(&serde_json::to_string(row).expect("results are plain data"));
        text.push('\n');
    }
    text
}

/// Reads lines of JSON.
///
/// # Errors
/// If the file cannot be read or a line is not such a row.
pub fn read_results<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, EvalError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| EvalError::Read { path: path.to_owned(), source })?;
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|error| EvalError::Row {
                path: path.to_owned(),
                line: index + 1,
                problem: error.to_string(),
            })
        })
        .collect()
}
