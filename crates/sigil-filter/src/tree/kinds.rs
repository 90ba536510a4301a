//! The grammar's node kinds that the walk knows, by the numbers that the grammar gives them.
//!
//! Next: `marks.rs` for why children may be skipped.

use tree_sitter::{Language, Node};

macro_rules! kinds {
    ($($name:ident = $text:literal,)*) => {
        /// A node's kind, as far as the walk cares.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind {
            $($name,)*
            /// Anything else, unnamed tokens included.
            Other,
        }

        fn kind_of(text: &str) -> Kind {
            match text {
                $($text => Kind::$name,)*
                _ => Kind::Other,
            }
        }

        #[cfg(test)]
        pub(crate) const NAMES: &[&str] = &[$($text,)*];
    };
}

kinds! {
    SourceFile = "source_file",
    AttributeItem = "attribute_item",
    InnerAttributeItem = "inner_attribute_item",
    LineComment = "line_comment",
    BlockComment = "block_comment",
    FunctionItem = "function_item",
    FunctionSignatureItem = "function_signature_item",
    FunctionModifiers = "function_modifiers",
    StructItem = "struct_item",
    EnumItem = "enum_item",
    UnionItem = "union_item",
    TraitItem = "trait_item",
    ImplItem = "impl_item",
    ModItem = "mod_item",
    ConstItem = "const_item",
    StaticItem = "static_item",
    TypeItem = "type_item",
    MacroDefinition = "macro_definition",
    MacroInvocation = "macro_invocation",
    UseDeclaration = "use_declaration",
    ExternCrate = "extern_crate_declaration",
    ForeignModItem = "foreign_mod_item",
    ExpressionStatement = "expression_statement",
    DeclarationList = "declaration_list",
    VisibilityModifier = "visibility_modifier",
    TokenTree = "token_tree",
    UnsafeBlock = "unsafe_block",
    CallExpression = "call_expression",
    FieldExpression = "field_expression",
    FieldIdentifier = "field_identifier",
    GenericFunction = "generic_function",
    GenericType = "generic_type",
    TypeIdentifier = "type_identifier",
    ScopedTypeIdentifier = "scoped_type_identifier",
    TryExpression = "try_expression",
    MatchExpression = "match_expression",
    IfExpression = "if_expression",
    ElseClause = "else_clause",
    LetCondition = "let_condition",
    LetDeclaration = "let_declaration",
    ForExpression = "for_expression",
    WhileExpression = "while_expression",
    LoopExpression = "loop_expression",
    ClosureExpression = "closure_expression",
    ArrayExpression = "array_expression",
    StringLiteral = "string_literal",
    RawStringLiteral = "raw_string_literal",
    CharLiteral = "char_literal",
    TypeParameter = "type_parameter",
    ConstParameter = "const_parameter",
    LifetimeParameter = "lifetime_parameter",
    WhereClause = "where_clause",
    Block = "block",
    Shebang = "shebang",
}

/// What the walk does about a node's children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Children {
    /// There are none.
    None,
    /// Nothing below counts if no mark lies inside (`marks.rs`).
    Marked,
    /// The same, but the node starts with a mark of its own: a bracket or `let`.
    MarkedAfterStart,
    /// The same, but the node ends with a mark of its own: `?`.
    MarkedBeforeEnd,
    /// They are always visited.
    Visited,
}

/// Kinds below which only what has a mark counts: types, patterns, plain expressions and statements.
const MARKED: [&str; 69] = [
    "abstract_type",
    "array_type",
    "assignment_expression",
    "await_expression",
    "base_field_initializer",
    "binary_expression",
    "bounded_type",
    "bracketed_type",
    "break_expression",
    "call_expression",
    "captured_pattern",
    "compound_assignment_expr",
    "const_parameter",
    "dynamic_type",
    "enum_variant",
    "expression_statement",
    "field_declaration",
    "field_expression",
    "field_initializer",
    "field_pattern",
    "function_type",
    "generic_function",
    "generic_pattern",
    "generic_type",
    "generic_type_with_turbofish",
    "higher_ranked_trait_bound",
    "index_expression",
    "lifetime",
    "lifetime_parameter",
    "match_arm",
    "match_pattern",
    "mut_pattern",
    "negative_literal",
    "never_type",
    "or_pattern",
    "ordered_field_declaration_list",
    "parameter",
    "parameters",
    "parenthesized_expression",
    "pointer_type",
    "qualified_type",
    "range_expression",
    "range_pattern",
    "ref_pattern",
    "reference_expression",
    "reference_pattern",
    "reference_type",
    "return_expression",
    "scoped_identifier",
    "scoped_type_identifier",
    "self_parameter",
    "shorthand_field_initializer",
    "struct_expression",
    "struct_pattern",
    "trait_bounds",
    "tuple_expression",
    "tuple_pattern",
    "tuple_struct_pattern",
    "tuple_type",
    "type_arguments",
    "type_binding",
    "type_cast_expression",
    "type_parameter",
    "unary_expression",
    "unit_expression",
    "unit_type",
    "variadic_parameter",
    "where_clause",
    "where_predicate",
];

/// The same, for kinds that start with a mark of their own.
const MARKED_AFTER_START: [&str; 8] = [
    "arguments",
    "array_expression",
    "enum_variant_list",
    "field_declaration_list",
    "field_initializer_list",
    "let_declaration",
    "match_block",
    "slice_pattern",
];

/// The same, for the kind that ends with one.
const MARKED_BEFORE_END: &str = "try_expression";

/// Named tokens.
const TOKENS: [&str; 6] = [
    "field_identifier",
    "float_literal",
    "identifier",
    "integer_literal",
    "shorthand_field_identifier",
    "type_identifier",
];

fn children_of(text: &str, named: bool) -> Children {
    if !named || TOKENS.contains(&text) {
        Children::None
    } else if MARKED.contains(&text) {
        Children::Marked
    } else if MARKED_AFTER_START.contains(&text) {
        Children::MarkedAfterStart
    } else if text == MARKED_BEFORE_END {
        Children::MarkedBeforeEnd
    } else {
        Children::Visited
    }
}

/// Kinds by number, and the fields that the walk asks for.
pub(crate) struct Grammar {
    kinds: Vec<(Kind, Children)>,
    pub(crate) body: u16,
    pub(crate) name: u16,
    pub(crate) return_type: u16,
    pub(crate) trait_: u16,
    pub(crate) alternative: u16,
    pub(crate) type_: u16,
}

impl Grammar {
    pub(crate) fn new(language: &Language) -> Self {
        let count = u16::try_from(language.node_kind_count()).unwrap_or(u16::MAX);
        let kinds = (0..count).map(|id| {
            let named = language.node_kind_is_named(id);
            let text = language.node_kind_for_id(id).unwrap_or_default();
            (if named { kind_of(text) } else { Kind::Other }, children_of(text, named))
        });
        // A field that the grammar lacks gets number zero, which no node has; a test sees to it
        // that all are there.
        let field = |name| language.field_id_for_name(name).map_or(0, u16::from);
        Self {
            kinds: kinds.collect(),
            body: field("body"),
            name: field("name"),
            return_type: field("return_type"),
            trait_: field("trait"),
            alternative: field("alternative"),
            type_: field("type"),
        }
    }

    /// The kind of a node; errors are [`Kind::Other`].
    pub(crate) fn kind(&self, node: Node<'_>) -> Kind {
        self.look_up(node).0
    }

    /// The kind of a node and what to do about its children; those of errors are visited.
    pub(crate) fn look_up(&self, node: Node<'_>) -> (Kind, Children) {
        let known = self.kinds.get(usize::from(node.kind_id())).copied();
        known.unwrap_or((Kind::Other, Children::Visited))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_has_every_kind_and_field() {
        let language = Language::new(tree_sitter_rust::LANGUAGE);
        for name in NAMES.iter().chain(&MARKED).chain(&MARKED_AFTER_START).chain(&TOKENS) {
            assert!(language.id_for_node_kind(name, true) != 0, "{name}");
        }
        let g = Grammar::new(&language);
        for id in [g.body, g.name, g.return_type, g.trait_, g.alternative, g.type_] {
            assert_ne!(id, 0);
        }
    }
}
