//! Turns a layer's tree into assignments under present names.
//!
//! Old keys and values get their fate here (`legacy.rs`, `legacy_values.rs`), unknown sections are
//! told. Types are not looked at beyond what a fate needs: that is `check.rs`.

use std::ops::Range;

use crate::legacy::{self, Fate, Takes};
use crate::legacy_values::{self, ValueFate};
use crate::node::{Entry, Node, Value};
use crate::note::NoteKind;
use crate::origin::join;
use crate::problem::ProblemKind;
use crate::shape;
use crate::source::Report;
use crate::suggest;

/// A value for a setting.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    /// The key as it was written.
    pub(crate) written: String,
    /// The present key.
    pub(crate) path: Vec<String>,
    pub(crate) key_span: Range<usize>,
    pub(crate) node: Node,
}

/// A switch of an old file, applied after everything else of its layer.
struct SwitchedOn {
    written: String,
    to: &'static str,
    value: &'static str,
    off: &'static str,
    key_span: Range<usize>,
    span: Range<usize>,
}

/// Translates a layer.
pub(crate) fn translate(root: Node, report: &mut Report<'_>) -> Vec<Assignment> {
    let mut translation = Translation { report, assignments: Vec::new(), switches: Vec::new() };
    let span = root.span.clone();
    match root.value {
        Value::Table(entries) => {
            for entry in entries {
                translation.top_level(entry);
            }
        }
        other => {
            let message = format!("settings are sections with keys, not {}", other.describe());
            translation.report.problem(ProblemKind::Syntax { message }, &span);
        }
    }
    translation.finish()
}

struct Translation<'r, 's> {
    report: &'r mut Report<'s>,
    assignments: Vec<Assignment>,
    switches: Vec<SwitchedOn>,
}

impl Translation<'_, '_> {
    fn top_level(&mut self, entry: Entry) {
        let Entry { key, key_span, node } = entry;
        if legacy::fate(&key).is_some() {
            return self.assign(vec![key], key_span, node);
        }
        let is_section = shape::settings().at([key.as_str()]).is_some()
            || legacy::SECTIONS.contains(&key.as_str());
        if !is_section {
            let suggestion = suggest::key(&key);
            return self.report.problem(ProblemKind::UnknownKey { key, suggestion }, &key_span);
        }
        match node.value {
            Value::Null => {}
            Value::Table(entries) => {
                for entry in entries {
                    self.assign(vec![key.clone(), entry.key], entry.key_span, entry.node);
                }
            }
            other => {
                let found = Report::describe(&key, &other);
                self.report.problem(
                    ProblemKind::WrongType { key, expected: "a section".to_owned(), found },
                    &node.span,
                );
            }
        }
    }

    fn assign(&mut self, parts: Vec<String>, key_span: Range<usize>, node: Node) {
        let written = join(&parts);
        match legacy::fate(&parts.join(".")) {
            None => self.keep(written, parts, key_span, node),
            Some(Fate::Renamed(to)) => {
                let message = format!("`{written}` is called `{to}` here");
                self.report.note(NoteKind::Renamed, &written, message, &key_span);
                let path = to.split('.').map(str::to_owned).collect();
                self.keep(written, path, key_span, node);
            }
            Some(Fate::Switch { to, on, off }) => match node.value {
                Value::Bool(switched) => {
                    let value = if switched { on } else { off };
                    self.switches.push(SwitchedOn {
                        written,
                        to,
                        value,
                        off,
                        key_span,
                        span: node.span,
                    });
                }
                Value::Null => {}
                other => self.wrong_type(written, "`true` or `false`", &other, &node.span),
            },
            Some(Fate::NoMeaning { takes, because }) => {
                let (fits, expected) = match takes {
                    Takes::Bool => (matches!(node.value, Value::Bool(_)), "`true` or `false`"),
                    Takes::Count => (
                        matches!(node.value, Value::Integer(count) if count >= 0),
                        "an integer of at least 0",
                    ),
                };
                if fits || node.value == Value::Null {
                    let message = format!("`{written}` has no meaning here: {because}");
                    self.report.note(NoteKind::NoMeaning, &written, message, &key_span);
                } else {
                    self.wrong_type(written, expected, &node.value, &node.span);
                }
            }
            Some(Fate::Only { accepted, because, route }) => {
                let value = literal(&node.value);
                if node.value != Value::Null && !accepted.contains(&value.as_str()) {
                    self.report.problem(
                        ProblemKind::Refused { key: written, value, because, route },
                        &node.span,
                    );
                }
            }
        }
    }

    fn wrong_type(&mut self, key: String, expected: &str, found: &Value, span: &Range<usize>) {
        let found = Report::describe(&key, found);
        let expected = expected.to_owned();
        self.report.problem(ProblemKind::WrongType { key, expected, found }, span);
    }

    /// Keeps a value under its present key, after the fate of old values.
    fn keep(&mut self, written: String, path: Vec<String>, key_span: Range<usize>, mut node: Node) {
        let key = join(&path);
        if let Value::Text(text) = &node.value {
            match legacy_values::fate(&key, text) {
                None => {}
                Some(ValueFate::Mapped { to, because }) => {
                    let message = format!("`{key} = {text}` means `{to}` here: {because}");
                    self.report.note(NoteKind::Mapped, &written, message, &node.span);
                    node.value = Value::Text(to.to_owned());
                }
                Some(ValueFate::Refused { because, route }) => {
                    let value = text.clone();
                    self.report.faulty.push(key);
                    return self.report.problem(
                        ProblemKind::Refused { key: written, value, because, route },
                        &node.span,
                    );
                }
            }
        }
        if let Some(earlier) = self.assignments.iter().find(|earlier| earlier.path == path) {
            let other = earlier.written.clone();
            return self.report.problem(ProblemKind::SetTwice { key: written, other }, &key_span);
        }
        self.assignments.push(Assignment { written, path, key_span, node });
    }

    /// Applies the switches: beside a value for the same setting, a switch has to agree with it.
    fn finish(mut self) -> Vec<Assignment> {
        for switch in std::mem::take(&mut self.switches) {
            let path: Vec<String> = switch.to.split('.').map(str::to_owned).collect();
            let present = self.assignments.iter().find(|earlier| earlier.path == path);
            if let Some(present) = present {
                let is_off = matches!(&present.node.value, Value::Text(text) if text == switch.off);
                if is_off != (switch.value == switch.off) {
                    let other = present.written.clone();
                    let key = switch.written;
                    self.report.problem(ProblemKind::SetTwice { key, other }, &switch.key_span);
                    continue;
                }
            }
            let message =
                format!("`{}` is `{} = \"{}\"` here", switch.written, switch.to, switch.value);
            self.report.note(NoteKind::Renamed, &switch.written, message, &switch.key_span);
            if present.is_none() {
                self.assignments.push(Assignment {
                    written: switch.written,
                    path,
                    key_span: switch.key_span,
                    node: Node::new(Value::Text(switch.value.to_owned()), switch.span),
                });
            }
        }
        self.assignments
    }
}

/// Writes a value as it would stand in a file, for values that are compared with a few literals.
fn literal(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Float(value) => format!("{value:?}"),
        Value::Text(text) => text.chars().take(60).collect(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| literal(&item.value)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(_) => "{…}".to_owned(),
        Value::Null => "null".to_owned(),
        Value::Date(text) => text.clone(),
    }
}
