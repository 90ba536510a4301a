//! The grammar's node kinds that the walk knows, by the numbers that the grammar gives them.

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

/// Kinds by number, and the fields that the walk asks for.
pub(crate) struct Grammar {
    kinds: Vec<Kind>,
    pub(crate) function: u16,
    pub(crate) field: u16,
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
            let text = language.node_kind_for_id(id).filter(|_| language.node_kind_is_named(id));
            text.map_or(Kind::Other, kind_of)
        });
        // A field that the grammar lacks gets number zero, which no node has; a test sees to it
        // that all are there.
        let field = |name| language.field_id_for_name(name).map_or(0, u16::from);
        Self {
            kinds: kinds.collect(),
            function: field("function"),
            field: field("field"),
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
        self.kinds.get(usize::from(node.kind_id())).copied().unwrap_or(Kind::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_has_every_kind_and_field() {
        let language = Language::new(tree_sitter_rust::LANGUAGE);
        for name in NAMES {
            assert!(language.id_for_node_kind(name, true) != 0, "{name}");
        }
        let g = Grammar::new(&language);
        for id in
            [g.function, g.field, g.body, g.name, g.return_type, g.trait_, g.alternative, g.type_]
        {
            assert_ne!(id, 0);
        }
    }
}
