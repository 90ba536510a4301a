//! From named fields to a row.
//!
//! Is: the known field names and their order of preference, the config's own names, and the checks
//! of `weight` and `split`. Is not: a reader; JSON and parquet give the fields. Next:
//! `json_rows.rs`, `parquet_rows.rs`.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::rows::{Origin, Row, RowSplit};

/// Fields of a completion, each with `prompt`.
const COMPLETIONS: [&str; 3] = ["gen", "completion", "response"];
/// Fields of plain text.
const TEXTS: [&str; 3] = ["text", "content", "code"];
/// Fields that say where the code comes from.
const GROUPS: [&str; 6] =
    ["_source_crate", "crate_name", "crate", "max_stars_repo_name", "repo", "repo_name"];
/// Fields with a path, for the path rules.
const PATHS: [&str; 5] = ["path", "max_stars_repo_path", "file_path", "_source_file", "file"];

/// Names columns that have other names than the known ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnNames {
    /// Column of the prompt.
    pub prompt: Option<String>,
    /// Column of the text, or of the completion where there is a prompt.
    pub text: Option<String>,
}

/// A row, and the path that its data names.
#[derive(Debug)]
pub(super) struct Fitted {
    pub(super) row: Row,
    pub(super) path: Option<String>,
}

/// Why fields make no row.
#[derive(Debug)]
pub(super) enum Misfit {
    NoColumns(String),
    BadField { field: String, problem: String },
}

impl ColumnNames {
    /// Lists every field that could matter, so that a reader loads no other.
    pub(super) fn wanted(&self) -> Vec<String> {
        let own = [&self.prompt, &self.text].into_iter().flatten().map(String::as_str);
        own.chain(["prompt", "weight", "split", "_task_type"])
            .chain(COMPLETIONS)
            .chain(TEXTS)
            .chain(GROUPS)
            .chain(PATHS)
            .map(str::to_owned)
            .collect()
    }

    /// Makes a row of `fields`. A field that is absent and one that is null mean the same.
    pub(super) fn fit(
        &self,
        fields: &Map<String, Value>,
        origin: Origin,
    ) -> Result<Fitted, Misfit> {
        let text_of = |field: &str| text_field(fields, field);
        let (prompt, text) = if let Some(name) = &self.text {
            let prompt = self.prompt.as_deref().map(text_of).transpose()?.flatten();
            (prompt, text_of(name)?)
        } else {
            let prompt = text_of(self.prompt.as_deref().unwrap_or("prompt"))?;
            let completion = if prompt.is_some() { first(&COMPLETIONS, text_of)? } else { None };
            match completion {
                Some(completion) => (prompt, Some(completion)),
                None => (None, first(&TEXTS, text_of)?),
            }
        };
        let text = text.ok_or_else(|| Misfit::NoColumns(names_of(fields)))?;
        // A group or path of another type (`repo: {..}`, `file: 3`) is no error: it is only unknown.
        let known = |names: &[&str]| {
            names.iter().find_map(|&name| fields.get(name)?.as_str()).map(str::to_owned)
        };
        let group = known(&GROUPS).unwrap_or_else(|| origin.to_string());
        let row = Row {
            prompt,
            text,
            origin,
            group: Arc::from(group),
            weight: weight_field(fields)?,
            task_type: text_of("_task_type")?.map(Arc::from),
            split: split_field(text_of("split")?.as_deref())?,
        };
        Ok(Fitted { row, path: known(&PATHS) })
    }
}

fn first(
    names: &[&str],
    text_of: impl Fn(&str) -> Result<Option<String>, Misfit>,
) -> Result<Option<String>, Misfit> {
    for name in names {
        if let Some(text) = text_of(name)? {
            return Ok(Some(text));
        }
    }
    Ok(None)
}

fn text_field(fields: &Map<String, Value>, field: &str) -> Result<Option<String>, Misfit> {
    match fields.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(bad(field, format!("is {}, not text", kind_of(other)))),
    }
}

fn weight_field(fields: &Map<String, Value>) -> Result<f32, Misfit> {
    let weight = match fields.get("weight") {
        None | Some(Value::Null) => return Ok(1.0),
        Some(value) => value.as_f64(),
    };
    match weight {
        Some(weight) if weight.is_finite() && weight.abs() <= 1e6 => Ok(weight as f32),
        _ => Err(bad("weight", "is not a number up to 1000000".to_owned())),
    }
}

fn split_field(split: Option<&str>) -> Result<RowSplit, Misfit> {
    match split {
        None | Some("train" | "training") => Ok(RowSplit::Train),
        Some("val" | "valid" | "validation" | "test" | "eval" | "evaluation" | "dev") => {
            Ok(RowSplit::Evaluation)
        }
        Some(other) => Err(bad("split", format!("is `{other}`, which is neither train nor val"))),
    }
}

fn bad(field: &str, problem: String) -> Misfit {
    Misfit::BadField { field: field.to_owned(), problem }
}

fn names_of(fields: &Map<String, Value>) -> String {
    let mut names: Vec<&str> = fields.keys().map(String::as_str).take(40).collect();
    names.sort_unstable();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
