//! TOML into nodes, with every syntax error of the text and not only the first.
//!
//! The reading itself is the toml crate's; this converts its spanned tree.
//! Read next: `../node.rs`.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::SyntaxProblem;
use crate::node::{Entry, Node, Value};

/// Reads a document.
pub(crate) fn read(text: &str) -> (Node, Vec<SyntaxProblem>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut problems: Vec<SyntaxProblem> = errors
        .into_iter()
        .map(|error| SyntaxProblem {
            message: error.message().to_owned(),
            span: error.span().unwrap_or(0..0),
        })
        .collect();
    let span = table.span();
    let node = Node::new(convert_table(table.into_inner(), &mut problems), span);
    (node, problems)
}

/// Reads a single value, or nothing when the text is not one.
pub(crate) fn read_value(text: &str) -> Option<Value> {
    let value = DeValue::parse(text).ok()?;
    let mut problems = Vec::new();
    let node = convert(value, &mut problems);
    problems.is_empty().then_some(node.value)
}

fn convert(value: Spanned<DeValue<'_>>, problems: &mut Vec<SyntaxProblem>) -> Node {
    let span = value.span();
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Boolean(value) => Value::Bool(value),
        DeValue::Datetime(value) => Value::Date(value.to_string()),
        DeValue::Integer(value) => match i64::from_str_radix(value.as_str(), value.radix()) {
            Ok(value) => Value::Integer(value),
            Err(_) => {
                problems.push(SyntaxProblem {
                    message: format!("the integer `{value}` does not fit into 64 bits"),
                    span: span.clone(),
                });
                Value::Null
            }
        },
        DeValue::Float(value) => match value.as_str().parse::<f64>() {
            Ok(value) => Value::Float(value),
            Err(_) => {
                problems.push(SyntaxProblem {
                    message: format!("`{value}` is not a number"),
                    span: span.clone(),
                });
                Value::Null
            }
        },
        DeValue::Array(items) => {
            Value::List(items.into_iter().map(|item| convert(item, problems)).collect())
        }
        DeValue::Table(table) => convert_table(table, problems),
    };
    Node::new(value, span)
}

fn convert_table(table: DeTable<'_>, problems: &mut Vec<SyntaxProblem>) -> Value {
    let mut entries: Vec<Entry> = table
        .into_iter()
        .map(|(key, value)| Entry {
            key_span: key.span(),
            key: key.into_inner().into_owned(),
            node: convert(value, problems),
        })
        .collect();
    // In the order of the file, so that problems are reported from top to bottom.
    entries.sort_by_key(|entry| entry.key_span.start);
    Value::Table(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_syntax_error_is_reported() {
        let (_, problems) = read("a = \nb = 1\nb = 2\n[c\n");
        assert!(problems.len() >= 3, "{problems:?}");
    }

    #[test]
    fn values_keep_their_place() {
        let (node, problems) = read("[train]\nlr = 1e-4\n");
        assert!(problems.is_empty());
        let train = &node.table().expect("a table")[0];
        let rate = &train.node.table().expect("a table")[0];
        assert_eq!(rate.key_span, 8..10);
        assert_eq!(rate.node, Node::new(Value::Float(1e-4), 13..17));
    }

    #[test]
    fn an_integer_that_does_not_fit_is_a_problem() {
        let (_, problems) = read("a = 99999999999999999999");
        assert_eq!(problems.len(), 1);
        assert!(problems[0].message.contains("64 bits"));
    }
}
