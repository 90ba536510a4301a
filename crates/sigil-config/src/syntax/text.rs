//! Single values from the environment and the command line: `section.key=value`.
//!
//! Such a value has no syntax of its own, so the setting it is meant for decides how it is read: a
//! text is taken as it stands, a list may be separated by commas, anything else is a TOML value.
//! Read next: `../shape.rs` (what settings take), `../layers.rs` (who calls this).

use super::toml;
use crate::node::{Node, Value};
use crate::shape::{Kind, Shape};

/// Splits `section.key=value` at the first `=` outside quotes, and the key at its dots.
pub(crate) fn split(assignment: &str) -> Option<(Vec<String>, &str)> {
    let mut parts = vec![String::new()];
    let mut quote = None;
    for (at, c) in assignment.char_indices() {
        match (c, quote) {
            ('=', None) => {
                let parts: Vec<String> = parts.iter().map(|part| part.trim().to_owned()).collect();
                let whole = parts.iter().all(|part| !part.is_empty());
                return whole.then(|| (parts, assignment[at + 1..].trim()));
            }
            ('.', None) => parts.push(String::new()),
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, _) => parts.last_mut().expect("starts with one part").push(c),
        }
    }
    None
}

/// Reads a value for a setting of this shape (`None`: a key that no setting has).
pub(crate) fn read(text: &str, shape: Option<&Shape>) -> Value {
    let Some(shape) = shape else {
        return toml_or_text(text);
    };
    if text == "null" {
        return Value::Null;
    }
    match &shape.kind {
        Kind::Text { .. } | Kind::Choice(_) => match toml::read_value(text) {
            Some(Value::Text(unquoted)) => Value::Text(unquoted),
            _ => Value::Text(text.to_owned()),
        },
        Kind::List { item, .. } if !text.starts_with('[') => {
            let items = text.split([',', ';']).map(str::trim);
            Value::List(
                items
                    .filter(|item| !item.is_empty())
                    .map(|text| Node::bare(read(text, Some(item))))
                    .collect(),
            )
        }
        Kind::Bool => match text {
            "1" => Value::Bool(true),
            "0" => Value::Bool(false),
            _ => toml_or_text(text),
        },
        _ => toml_or_text(text),
    }
}

fn toml_or_text(text: &str) -> Value {
    toml::read_value(text).unwrap_or_else(|| Value::Text(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_split_at_dots_outside_quotes() {
        let check = |text: &str, keys: &[&str], value: &str| {
            let (found, rest) = split(text).expect("an assignment");
            assert_eq!((found, rest), (keys.iter().map(|key| (*key).to_owned()).collect(), value));
        };
        check("train.num_steps=5", &["train", "num_steps"], "5");
        check(" train . num_steps = 5 ", &["train", "num_steps"], "5");
        check("a=b=c", &["a"], "b=c");
        check(
            "dataset.dataset_weights.\"local:a.b=c\"=2",
            &["dataset", "dataset_weights", "local:a.b=c"],
            "2",
        );
    }

    #[test]
    fn what_is_no_assignment_is_not_split() {
        for text in ["", "train.num_steps", "=5", "train.=5", ".x=5", "\"a=5"] {
            assert_eq!(split(text), None, "{text}");
        }
    }
}
