//! Stretches of code to leave out that a person would: whole nodes of the syntax tree.
//!
//! Is: for a random place in a text, one of the statements, expressions, blocks and items around it.
//! Is not: a judgement of the code (`sigil-filter`); text that is not Rust has few nodes or none, and
//! is then cut at random. Next: `fim.rs`.

use std::cell::RefCell;
use std::ops::Range;

use tree_sitter::{Language, Parser};

/// Nodes that make sense as a whole.
const KINDS: [&str; 26] = [
    "arguments",
    "attribute_item",
    "block",
    "call_expression",
    "closure_expression",
    "const_item",
    "enum_item",
    "expression_statement",
    "field_declaration_list",
    "for_expression",
    "function_item",
    "if_expression",
    "impl_item",
    "let_declaration",
    "loop_expression",
    "macro_invocation",
    "match_arm",
    "match_block",
    "match_expression",
    "mod_item",
    "parameters",
    "static_item",
    "struct_item",
    "trait_item",
    "use_declaration",
    "while_expression",
];

thread_local! {
    static PARSER: RefCell<Option<Parser>> = RefCell::new(parser());
}

fn parser() -> Option<Parser> {
    let mut parser = Parser::new();
    parser.set_language(&Language::new(tree_sitter_rust::LANGUAGE)).ok()?;
    Some(parser)
}

/// Returns the nodes around a byte of the text, the outermost first; never the whole text.
pub(super) fn around(text: &str, byte: usize) -> Vec<Range<usize>> {
    let tree = PARSER.with_borrow_mut(|parser| {
        let parser = parser.as_mut()?;
        parser.reset();
        parser.parse(text, None)
    });
    let Some(tree) = tree else { return Vec::new() };
    let mut found = Vec::new();
    let mut cursor = tree.walk();
    while cursor.goto_first_child_for_byte(byte).is_some() {
        let node = cursor.node();
        let range = node.byte_range();
        if !range.contains(&byte) {
            break;
        }
        if KINDS.contains(&node.kind()) && range.len() < text.trim().len() {
            found.push(range);
        }
    }
    // Offsets of nodes lie between characters; what does not cannot be cut out.
    found.retain(|range| text.get(range.clone()).is_some());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_around_a_place_go_from_items_to_expressions() {
        let text =
            "mod a {\n    fn f(x: u8) -> u8 {\n        let y = g(x + 1);\n        y\n    }\n}\n";
        let place = text.find("x + 1").expect("it is there");
        let found: Vec<&str> = around(text, place).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found.last(), Some(&"(x + 1)"));
        assert!(found.contains(&"let y = g(x + 1);") && found.contains(&"g(x + 1)"), "{found:?}");
        assert!(
            found[0].starts_with("fn f") && found[1].starts_with("{\n        let"),
            "{found:?}"
        );
        assert_eq!(around("no Rust at all", 3), Vec::<Range<usize>>::new());
        assert_eq!(around("", 0), Vec::<Range<usize>>::new());
    }
}
