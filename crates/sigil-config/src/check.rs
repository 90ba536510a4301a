//! Compares a value with the shape of its setting and converts it for figment.
//!
//! Every mistake inside a value is told; a value with mistakes is left out, so that the rest can
//! be checked. Rules between settings are in `rules.rs`.

use std::str::FromStr;

use figment::value::{Dict, Empty, Value as FigmentValue};

use crate::node::{Node, Value};
use crate::origin::join;
use crate::problem::ProblemKind;
use crate::settings::Device;
use crate::shape::{Bounds, Kind, Shape};
use crate::source::Report;
use crate::suggest;

/// Checks a value of the setting at `path`; `None` when it has a problem.
pub(crate) fn check(
    node: &Node,
    shape: &Shape,
    path: &mut Vec<String>,
    report: &mut Report<'_>,
) -> Option<FigmentValue> {
    let value = match (&shape.kind, &node.value) {
        (_, Value::Null) if shape.nullable => match shape.kind {
            Kind::Map(_) => FigmentValue::from(Dict::new()),
            _ => FigmentValue::from(Empty::None),
        },
        (Kind::Bool, Value::Bool(value)) => FigmentValue::from(*value),
        (Kind::Integer(bounds), Value::Integer(value)) => {
            in_bounds(*value as f64, bounds, node, shape, path, report)?;
            FigmentValue::from(*value)
        }
        // `1e4` and `10.0` are integers in all but spelling.
        (Kind::Integer(bounds), Value::Float(value)) if is_whole(*value) => {
            in_bounds(*value, bounds, node, shape, path, report)?;
            FigmentValue::from(*value as i64)
        }
        (Kind::Number(bounds), Value::Integer(value)) => {
            in_bounds(*value as f64, bounds, node, shape, path, report)?;
            FigmentValue::from(*value as f64)
        }
        (Kind::Number(bounds), Value::Float(value)) => {
            in_bounds(*value, bounds, node, shape, path, report)?;
            FigmentValue::from(*value)
        }
        (Kind::Text { shortest }, Value::Text(text)) => {
            if text.trim().len() < *shortest {
                return out_of_range(node, "a text that is not empty".to_owned(), path, report);
            }
            special(text, node, path, report)?;
            FigmentValue::from(text.trim())
        }
        (Kind::Choice(choices), Value::Text(text)) => {
            if !choices.contains(text) {
                let suggestion =
                    suggest::closest(&text.to_lowercase(), choices.iter().map(String::as_str));
                let kind = ProblemKind::NotAChoice {
                    key: join(path),
                    expected: shape.expectation(),
                    found: crate::node::quoted(text),
                    suggestion: suggestion.map(str::to_owned),
                };
                report.problem(kind, &node.span);
                return None;
            }
            FigmentValue::from(text.as_str())
        }
        (Kind::List { item, shortest, or_text }, written) if takes_as_list(written, *or_text) => {
            list(node, item, *shortest, *or_text, path, report)?
        }
        (Kind::Section(fields), Value::Table(entries)) => {
            let mut dict = Dict::new();
            for entry in entries {
                path.push(entry.key.clone());
                match fields.get(&entry.key) {
                    Some(shape) => {
                        if let Some(value) = check(&entry.node, shape, path, report) {
                            dict.insert(entry.key.clone(), value);
                        }
                    }
                    None => unknown(path, &entry.key_span, report),
                }
                path.pop();
            }
            FigmentValue::from(dict)
        }
        (Kind::Map(shape), Value::Table(entries)) => {
            let mut dict = Dict::new();
            for entry in entries {
                // TOML, in which settings are stored, has no `null`.
                if shape.kind == Kind::Any && entry.node.value == Value::Null {
                    continue;
                }
                path.push(entry.key.clone());
                if let Some(value) = check(&entry.node, shape, path, report) {
                    dict.insert(entry.key.clone(), value);
                }
                path.pop();
            }
            FigmentValue::from(dict)
        }
        (Kind::Any, _) => anything(node),
        (_, found) => {
            let key = join(path);
            let found = Report::describe(&key, found);
            report.faulty.push(key.clone());
            let expected = shape.expectation();
            let kind = ProblemKind::WrongType { key, expected, found };
            report.problem(kind, &node.span);
            return None;
        }
    };
    Some(value)
}

/// Tells of a key that no setting has.
pub(crate) fn unknown(path: &[String], span: &std::ops::Range<usize>, report: &mut Report<'_>) {
    let key = join(path);
    let suggestion = suggest::key(&path.join("."));
    report.problem(ProblemKind::UnknownKey { key, suggestion }, span);
}

fn is_whole(value: f64) -> bool {
    value.fract() == 0.0 && value.abs() < 9e15
}

fn in_bounds(
    value: f64,
    bounds: &Bounds,
    node: &Node,
    shape: &Shape,
    path: &[String],
    report: &mut Report<'_>,
) -> Option<()> {
    if bounds.contain(value) {
        return Some(());
    }
    out_of_range(node, shape.expectation(), path, report)
}

fn out_of_range<T>(
    node: &Node,
    expected: String,
    path: &[String],
    report: &mut Report<'_>,
) -> Option<T> {
    let key = join(path);
    report.faulty.push(key.clone());
    let found = Report::describe(&key, &node.value);
    let kind = ProblemKind::OutOfRange { key, expected, found };
    report.problem(kind, &node.span);
    None
}

/// Texts with a form of their own.
fn special(text: &str, node: &Node, path: &[String], report: &mut Report<'_>) -> Option<()> {
    let expected = match join(path).as_str() {
        "run.device" if Device::from_str(text).is_err() => "`auto`, `cpu` or `cuda:N`",
        "hub.endpoint"
            if !(text.starts_with("https://") || text.starts_with("http://"))
                || text.contains('@') =>
        {
            "an `https://` address without a user name"
        }
        _ => return Some(()),
    };
    out_of_range(node, expected.to_owned(), path, report)
}

/// Returns whether a value is a list or may stand for one. A text that begins like a list is a
/// list that was not closed.
fn takes_as_list(written: &Value, or_text: bool) -> bool {
    match written {
        Value::List(_) => true,
        Value::Text(text) => or_text && !text.trim_start().starts_with('['),
        _ => false,
    }
}

/// A list; where one text may stand for it, `;` separates its items as in the predecessor's files.
fn list(
    node: &Node,
    item: &Shape,
    shortest: usize,
    or_text: bool,
    path: &mut Vec<String>,
    report: &mut Report<'_>,
) -> Option<FigmentValue> {
    let whole;
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => {
            whole = [node.clone()];
            &whole
        }
    };
    let mut values = Vec::new();
    let mut complete = true;
    for written in items {
        match &written.value {
            Value::Text(text) if or_text => {
                let parts = text.split(';').map(str::trim);
                values.extend(parts.filter(|part| !part.is_empty()).map(FigmentValue::from));
            }
            _ => match check(written, item, path, report) {
                Some(value) => values.push(value),
                None => complete = false,
            },
        }
    }
    if complete && values.len() < shortest {
        return out_of_range(node, "a list that is not empty".to_owned(), path, report);
    }
    if !complete {
        report.faulty.push(join(path));
    }
    complete.then(|| FigmentValue::from(values))
}

/// A value whose shape is left open, without its `null`s.
fn anything(node: &Node) -> FigmentValue {
    match &node.value {
        Value::Null => FigmentValue::from(""),
        Value::Bool(value) => FigmentValue::from(*value),
        Value::Integer(value) => FigmentValue::from(*value),
        Value::Float(value) if value.is_finite() => FigmentValue::from(*value),
        Value::Float(value) => FigmentValue::from(value.to_string()),
        Value::Text(text) | Value::Date(text) => FigmentValue::from(text.as_str()),
        Value::List(items) => {
            let items = items.iter().filter(|item| item.value != Value::Null);
            FigmentValue::from(items.map(anything).collect::<Vec<_>>())
        }
        Value::Table(entries) => {
            let entries = entries.iter().filter(|entry| entry.node.value != Value::Null);
            let dict: Dict =
                entries.map(|entry| (entry.key.clone(), anything(&entry.node))).collect();
            FigmentValue::from(dict)
        }
    }
}
