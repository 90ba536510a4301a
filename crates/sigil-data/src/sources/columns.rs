//! From named fields to a row.
//!
//! Is: the known field names and their order of preference, the config's own names, and the checks
//! of `weight` and `split`. Is not: a reader; JSON and parquet give the fields. Next:
//! `conversations.rs` for the forms that have turns, `json_rows.rs`, `parquet_rows.rs`.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::conversations;
use crate::chat::Turn;
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

/// Fields with one licence or several, for the filter's list of licences.
const LICENCES: [&str; 5] =
    ["license", "licence", "licenses", "max_stars_repo_licenses", "max_stars_repo_license"];

/// Names columns that have other names than the known ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnNames {
    /// Column of the prompt.
    pub prompt: Option<String>,
    /// Column of the text, or of the completion where there is a prompt.
    pub text: Option<String>,
    /// Column of a list of turns.
    pub messages: Option<String>,
    /// Column of the file's path.
    pub path: Option<String>,
}

/// A row, and the path that its data names.
#[derive(Debug)]
pub(super) struct Fitted {
    pub(super) row: Row,
    pub(super) path: Option<String>,
    /// Licences that its data or its crate names.
    pub(super) licences: Vec<String>,
}

/// Why fields make no row.
#[derive(Debug)]
pub(super) enum Misfit {
    NoColumns(String),
    BadField { field: String, problem: String },
}

/// What is learned in a row, and what comes before it.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) prompt: Option<String>,
    pub(super) text: String,
    pub(super) turns: Vec<Turn>,
}

impl ColumnNames {
    /// Says whether a field could matter, so that a reader loads no other.
    pub(super) fn wants(&self, field: &str) -> bool {
        let own = [&self.prompt, &self.text, &self.messages, &self.path];
        own.into_iter().flatten().any(|name| name == field)
            || field.starts_with('_')
            || ["prompt", "weight", "split"].contains(&field)
            || [&COMPLETIONS[..], &TEXTS, &GROUPS, &PATHS, &LICENCES, &conversations::FIELDS]
                .iter()
                .any(|names| names.contains(&field))
    }

    /// Makes a row of `fields`, from which it takes the text. A field that is absent and one that is
    /// null mean the same. Where the fields make no row, nothing is taken.
    pub(super) fn fit(
        &self,
        fields: &mut Map<String, Value>,
        origin: Origin,
    ) -> Result<Fitted, Misfit> {
        let mut fitted = match self.fit_without_content(fields, origin) {
            Ok(fitted) => fitted,
            Err(misfit) => {
                // Missing columns are told before a bad field.
                self.content(&mut fields.clone())?;
                return Err(misfit);
            }
        };
        let content = self.content(fields)?;
        let row = &mut fitted.row;
        (row.prompt, row.text, row.turns) = (content.prompt, content.text, content.turns);
        Ok(fitted)
    }

    /// Makes a row of all fields but prompt, text and turns.
    fn fit_without_content(
        &self,
        fields: &Map<String, Value>,
        origin: Origin,
    ) -> Result<Fitted, Misfit> {
        // A group or path of another type (`repo: {..}`, `file: 3`) is no error: it is only unknown.
        let named = |names: &[&str]| {
            names.iter().find_map(|&name| fields.get(name)?.as_str()).map(str::to_owned)
        };
        let group = named(&GROUPS).unwrap_or_else(|| origin.to_string());
        let path = match &self.path {
            Some(name) => text_field(fields, name)?,
            None => named(&PATHS),
        };
        let kept = |(name, value): (&String, &Value)| (name.clone(), value.clone());
        let row = Row {
            prompt: None,
            text: String::new(),
            turns: Vec::new(),
            origin,
            group: Arc::from(group),
            weight: weight_field(fields)?,
            task_type: task_type(fields)?,
            split: split_field(text_field(fields, "split")?.as_deref())?,
            extra: fields
                .iter()
                .filter(|(name, value)| name.starts_with('_') && !value.is_null())
                .map(kept)
                .collect(),
        };
        Ok(Fitted { row, path, licences: licences(fields) })
    }

    /// Finds what is learned; a text of its own is taken, all else copied.
    fn content(&self, fields: &mut Map<String, Value>) -> Result<Content, Misfit> {
        if let Some(content) = self.mapped(fields)? {
            return Ok(content);
        }
        let found = known(fields, self.prompt.as_deref().unwrap_or("prompt"))?;
        found.ok_or_else(|| Misfit::NoColumns(names_of(fields)))
    }

    /// Reads the columns that the config names.
    fn mapped(&self, fields: &mut Map<String, Value>) -> Result<Option<Content>, Misfit> {
        if let Some(name) = &self.messages {
            let turns = conversations::turns(fields, name)?;
            return turns.ok_or_else(|| Misfit::NoColumns(names_of(fields))).map(Some);
        }
        let Some(name) = &self.text else { return Ok(None) };
        let prompt = match &self.prompt {
            Some(name) => text_field(fields, name)?,
            None => None,
        };
        let text = take_text(fields, name)?;
        let text = text.ok_or_else(|| Misfit::NoColumns(names_of(fields)))?;
        Ok(Some(Content { prompt, text, turns: Vec::new() }))
    }
}

/// Finds the first known form that the fields have.
fn known(fields: &mut Map<String, Value>, prompt: &str) -> Result<Option<Content>, Misfit> {
    if let Some(content) = conversations::known(fields)? {
        return Ok(Some(content));
    }
    let text_of = |field: &str| text_field(fields, field);
    if let Some(prompt) = text_of(prompt)?
        && let Some(text) = first(&COMPLETIONS, text_of)?
    {
        return Ok(Some(Content { prompt: Some(prompt), text, turns: Vec::new() }));
    }
    for name in TEXTS {
        if let Some(text) = take_text(fields, name)? {
            return Ok(Some(Content { text, ..Content::default() }));
        }
    }
    Ok(None)
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

/// Reads a field that must be text.
pub(super) fn text_field(
    fields: &Map<String, Value>,
    field: &str,
) -> Result<Option<String>, Misfit> {
    match fields.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(bad(field, format!("is {}, not text", kind_of(other)))),
    }
}

/// Takes a field that must be text: rows are large, and a copy of each would be thrown away.
fn take_text(fields: &mut Map<String, Value>, field: &str) -> Result<Option<String>, Misfit> {
    match fields.get_mut(field) {
        Some(Value::String(text)) => Ok(Some(std::mem::take(text))),
        _ => text_field(fields, field),
    }
}

/// Reads a name or a list of names; something else names no licence.
fn licences(fields: &Map<String, Value>) -> Vec<String> {
    let named = LICENCES.iter().find_map(|&name| fields.get(name).filter(|value| !value.is_null()));
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match named {
        Some(Value::Array(list)) => list.iter().filter_map(text).collect(),
        Some(other) => text(other).into_iter().collect(),
        None => Vec::new(),
    }
}

fn task_type(fields: &Map<String, Value>) -> Result<Option<Arc<str>>, Misfit> {
    let own = text_field(fields, "_task_type")?;
    let task = own.or(text_field(fields, "task_category").ok().flatten());
    Ok(task.map(Arc::from))
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

pub(super) fn bad(field: &str, problem: String) -> Misfit {
    Misfit::BadField { field: field.to_owned(), problem }
}

fn names_of(fields: &Map<String, Value>) -> String {
    let mut names: Vec<&str> = fields.keys().map(String::as_str).take(40).collect();
    names.sort_unstable();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
