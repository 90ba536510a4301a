//! Functions that do nothing worth learning: empty bodies, a field, a constant.

use tree_sitter::{Node, TreeCursor};

use super::kinds::{Grammar, Kind};

/// Whether the body `block` of a function is empty or a single plain value. `cursor` is lent.
pub(crate) fn is_trivial<'a>(
    grammar: &Grammar,
    block: Node<'a>,
    cursor: &mut TreeCursor<'a>,
) -> bool {
    let mut value = None;
    for child in block.named_children(cursor) {
        if matches!(grammar.kind(child), Kind::LineComment | Kind::BlockComment) {
            continue;
        }
        if value.replace(child).is_some() {
            return false;
        }
    }
    let Some(mut value) = value else { return true };
    if grammar.kind(value) == Kind::ExpressionStatement {
        match value.named_child(0) {
            Some(inner) => value = inner,
            None => return true,
        }
    }
    // `&self.a.b`, `self.a`, `1`, `"text"`, `NAME`: follow the single way down.
    for _ in 0..8 {
        match value.kind() {
            "reference_expression"
            | "field_expression"
            | "negative_literal"
            | "parenthesized_expression"
            | "return_expression" => {
                match value.named_child(0).filter(|inner| inner.kind() != "mutable_specifier") {
                    Some(inner) => value = inner,
                    None => match value.named_child(1) {
                        Some(inner) => value = inner,
                        None => return true,
                    },
                }
            }
            kind => {
                return matches!(
                    kind,
                    "self"
                        | "identifier"
                        | "scoped_identifier"
                        | "integer_literal"
                        | "float_literal"
                        | "boolean_literal"
                        | "char_literal"
                        | "string_literal"
                        | "raw_string_literal"
                        | "unit_expression"
                );
            }
        }
    }
    false
}
