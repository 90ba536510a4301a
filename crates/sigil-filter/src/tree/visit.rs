//! What each kind of node adds to the facts. `walk.rs` decides in which order nodes come here.

use tree_sitter::Node;

use super::kinds::Kind;
use super::regions;
use super::trivial::is_trivial;
use super::walk::{Open, Pending, Walk};
use crate::Span;
use crate::outline::{is_chained, is_fallible, is_test_macro};
use crate::reading::{Attribute, read_attribute};

impl<'a> Walk<'a> {
    fn text(&self, node: Node<'_>) -> &'a str {
        self.source.get(node.byte_range()).unwrap_or("")
    }

    fn field_text(&self, node: Node<'_>, field: u16) -> &'a str {
        node.child_by_field_id(field).map_or("", |child| self.text(child))
    }

    /// Documentation in front of an item waits for it.
    pub(super) fn comment(&mut self, node: Node<'_>) {
        let text = self.text(node);
        let line = text.starts_with("///") && !text.starts_with("////");
        let block =
            text.starts_with("/**") && !text.starts_with("/***") && !text.starts_with("/**/");
        if line || block {
            let start = node.start_byte();
            if let Some(open) = self.open.last_mut() {
                open.pending.documented = true;
                open.pending.start.get_or_insert(start);
            }
        }
    }

    /// Counts an attribute; an outer one waits for its item, an inner one is about its parent.
    pub(super) fn attribute(&mut self, node: Node<'_>, inner: bool) {
        let range = node.byte_range();
        let first = self.tokens.partition_point(|token| (token.start as usize) < range.start);
        let after = self.tokens.partition_point(|token| (token.start as usize) < range.end);
        // `#`, perhaps `!`, `[`, the attribute, `]`.
        let skipped = first + if inner { 3 } else { 2 };
        let tokens = self.tokens.get(skipped..after.saturating_sub(1)).unwrap_or_default();
        let attribute = read_attribute(tokens, self.source);
        self.count(attribute);
        if inner {
            self.inner_attribute(node, attribute);
        } else if let Some(open) = self.open.last_mut() {
            open.pending.start.get_or_insert(range.start);
            open.pending.documented |= attribute.documents;
            open.pending.hidden |= attribute.hides;
            open.pending.test |= attribute.makes_test();
            open.pending.bench |= attribute.makes_bench();
        }
    }

    fn count(&mut self, attribute: Attribute) {
        let facts = &mut self.facts;
        facts.test_attributes += usize::from(attribute.test);
        facts.bench_attributes += usize::from(attribute.bench || attribute.bench_condition);
        facts.test_conditions += usize::from(attribute.test_condition);
        facts.derives += usize::from(attribute.derives);
        facts.allow_attributes += usize::from(attribute.allows);
        facts.allowed_lints += attribute.allowed_lints;
        facts.documentation += usize::from(attribute.documents);
        facts.c_layouts += usize::from(attribute.c_layout);
    }

    fn inner_attribute(&mut self, node: Node<'_>, attribute: Attribute) {
        if !attribute.test_condition && !attribute.bench_condition {
            return;
        }
        let span = if self.open.len() <= 1 {
            Some(Span { start: 0, end: self.source.len() })
        } else {
            let item = node.parent().and_then(|body| body.parent());
            item.map(|item| Span { start: item.start_byte(), end: item.end_byte() })
        };
        let Some(span) = span else { return };
        if let Some(open) = self.open.last_mut().filter(|open| !open.test) {
            open.test = true;
            self.tests += 1;
        }
        let spans = if attribute.test_condition {
            &mut self.facts.test_spans
        } else {
            &mut self.facts.bench_spans
        };
        regions::add(spans, span);
    }

    /// Counts a node that is neither comment nor attribute; says whether its children matter.
    pub(super) fn node(
        &mut self,
        node: Node<'a>,
        kind: Kind,
        pending: Pending,
        open: &mut Open,
    ) -> bool {
        if pending.test || pending.bench {
            self.test_region(node, pending);
            open.test = true;
        }
        let outside_tests = self.tests == 0 && !open.test;
        let in_damaged_tree = self.damaged;
        let damaged = || in_damaged_tree && node.has_error();
        match kind {
            Kind::FunctionItem => {
                self.public(node, pending);
                self.facts.functions += 1;
                self.function(node);
                if outside_tests {
                    self.facts.functions_outside_tests += 1;
                    let body = node.child_by_field_id(self.grammar.body);
                    let trivial =
                        body.is_some_and(|body| is_trivial(self.grammar, body, &mut self.aside));
                    self.facts.trivial_functions += usize::from(trivial);
                }
            }
            Kind::FunctionSignatureItem => {
                self.public(node, pending);
                self.function(node);
                self.facts.foreign_functions += usize::from(self.foreign > 0);
            }
            Kind::FunctionModifiers => {
                let function =
                    matches!(self.parent(), Kind::FunctionItem | Kind::FunctionSignatureItem);
                let is_unsafe = self.text(node).split_ascii_whitespace().any(|w| w == "unsafe");
                self.facts.unsafe_items += usize::from(function && is_unsafe && outside_tests);
                return damaged();
            }
            Kind::StructItem | Kind::EnumItem | Kind::UnionItem => {
                self.public(node, pending);
                self.generated_name(node);
                self.facts.types += 1;
            }
            Kind::TraitItem => {
                self.public(node, pending);
                self.facts.traits += 1;
                self.unsafe_item(node, outside_tests);
            }
            Kind::ImplItem => {
                self.facts.impls += 1;
                let of_trait = node.child_by_field_id(self.grammar.trait_).is_some();
                self.facts.trait_impls += usize::from(of_trait);
                self.unsafe_item(node, outside_tests);
            }
            Kind::ModItem => {
                self.facts.other_items += 1;
                if let Some(body) = node.child_by_field_id(self.grammar.body) {
                    let documented = pending.documented || self.documented_inside(body);
                    self.public(node, Pending { documented, ..pending });
                }
            }
            Kind::ConstItem | Kind::StaticItem | Kind::TypeItem => {
                self.public(node, pending);
                self.facts.other_items += 1;
            }
            Kind::ForeignModItem => {
                self.facts.foreign_blocks += 1;
                open.foreign = true;
            }
            Kind::MacroDefinition => {
                let span = Span { start: node.start_byte(), end: node.end_byte() };
                self.facts.macro_definitions += 1;
                self.facts.macro_bytes += span.len();
                self.macro_definitions.push(span);
                return damaged();
            }
            Kind::MacroInvocation => self.macro_call(node),
            Kind::TokenTree => {
                let outermost = !matches!(self.parent(), Kind::TokenTree | Kind::MacroDefinition);
                self.facts.macro_bytes += if outermost { node.byte_range().len() } else { 0 };
                return damaged();
            }
            Kind::UseDeclaration
            | Kind::ExternCrate
            | Kind::VisibilityModifier
            | Kind::StringLiteral
            | Kind::RawStringLiteral
            | Kind::CharLiteral => return damaged(),
            Kind::UnsafeBlock => self.facts.unsafe_blocks += usize::from(outside_tests),
            Kind::CallExpression => self.call(node),
            Kind::TryExpression => self.facts.try_operators += 1,
            Kind::MatchExpression => {
                self.facts.pattern_matches += 1;
                open.nests = true;
            }
            // `else if` continues a chain; it is no deeper than the `if` before it.
            Kind::IfExpression => open.nests = self.parent() != Kind::ElseClause,
            Kind::LetCondition => self.facts.pattern_matches += 1,
            Kind::LetDeclaration => {
                let or_else = node.child_by_field_id(self.grammar.alternative).is_some();
                self.facts.pattern_matches += usize::from(or_else);
            }
            Kind::ForExpression
            | Kind::WhileExpression
            | Kind::LoopExpression
            | Kind::ClosureExpression => open.nests = true,
            Kind::ArrayExpression => {
                self.facts.longest_array = self.facts.longest_array.max(node.named_child_count());
            }
            Kind::TypeParameter | Kind::ConstParameter | Kind::WhereClause => {
                self.facts.generics += 1;
            }
            Kind::LifetimeParameter => self.facts.lifetimes += 1,
            _ => {}
        }
        true
    }

    /// Remembers the node as test code or benchmark, with what stands in front of it.
    pub(super) fn test_region(&mut self, node: Node<'_>, pending: Pending) {
        let start = pending.start.unwrap_or(node.start_byte());
        let mut end = node.end_byte();
        // A field or variant goes with its comma.
        if !matches!(self.parent(), Kind::SourceFile | Kind::DeclarationList | Kind::Block) {
            let rest = self.source.get(end..).unwrap_or_default();
            let blank = rest.len() - rest.trim_start().len();
            if rest[blank..].starts_with(',') {
                end += blank + 1;
            }
        }
        let span = Span { start, end };
        let spans =
            if pending.test { &mut self.facts.test_spans } else { &mut self.facts.bench_spans };
        regions::add(spans, span);
    }

    fn public(&mut self, node: Node<'_>, pending: Pending) {
        let visibility =
            node.child(0).filter(|c| self.grammar.kind(*c) == Kind::VisibilityModifier);
        if visibility.is_some_and(|visibility| self.text(visibility) == "pub") && !pending.hidden {
            self.facts.public_items += 1;
            self.facts.documented_public_items += usize::from(pending.documented);
        }
    }

    fn documented_inside(&self, body: Node<'_>) -> bool {
        let mut cursor = body.walk();
        let leading = body.children(&mut cursor).skip(1);
        leading
            .take_while(|c| matches!(self.grammar.kind(*c), Kind::LineComment | Kind::BlockComment))
            .any(|comment| {
                let text = self.text(comment);
                text.starts_with("//!") || text.starts_with("/*!")
            })
    }

    fn function(&mut self, node: Node<'_>) {
        let name = self.field_text(node, self.grammar.name);
        if name == "main" && self.open.len() == 1 {
            self.facts.has_main = true;
            let body = node.child_by_field_id(self.grammar.body);
            self.main = body.map(|body| Span { start: body.start_byte(), end: body.end_byte() });
        }
        self.facts.generated_bindings += usize::from(is_bindgen(name));
        if let Some(mut returned) = node.child_by_field_id(self.grammar.return_type) {
            if self.grammar.kind(returned) == Kind::GenericType {
                returned = returned.child_by_field_id(self.grammar.type_).unwrap_or(returned);
            }
            let name = match self.grammar.kind(returned) {
                Kind::TypeIdentifier => self.text(returned),
                Kind::ScopedTypeIdentifier => self.field_text(returned, self.grammar.name),
                _ => "",
            };
            self.facts.fallible_functions += usize::from(is_fallible(name));
        }
    }

    fn generated_name(&mut self, node: Node<'_>) {
        let name = self.field_text(node, self.grammar.name);
        self.facts.generated_bindings += usize::from(is_bindgen(name));
    }

    fn unsafe_item(&mut self, node: Node<'_>, outside_tests: bool) {
        let is_unsafe = (0..2).any(|at| node.child(at).is_some_and(|c| c.kind() == "unsafe"));
        self.facts.unsafe_items += usize::from(is_unsafe && outside_tests);
    }

    fn macro_call(&mut self, node: Node<'_>) {
        let parent = self.parent();
        let top = self.open.len() <= 2 && parent == Kind::ExpressionStatement;
        let item = top || matches!(parent, Kind::SourceFile | Kind::DeclarationList);
        self.facts.item_macro_calls += usize::from(item);
        let name = node.child(0).map_or("", |name| self.text(name));
        if is_test_macro(name.rsplit("::").next().unwrap_or(name)) {
            self.facts.test_attributes += 1;
            let span = Span { start: node.start_byte(), end: node.end_byte() };
            regions::add(&mut self.facts.test_spans, span);
        }
    }

    fn call(&mut self, node: Node<'_>) {
        // The function comes first; a comment cannot, because no node starts with one.
        let Some(mut function) = node.child(0) else { return };
        if self.grammar.kind(function) == Kind::GenericFunction {
            match function.child(0) {
                Some(inner) => function = inner,
                None => return,
            }
        }
        if self.grammar.kind(function) == Kind::FieldExpression {
            let method = last_name(self.text(function));
            self.facts.chained_calls += usize::from(is_chained(method));
            self.facts.iterator_calls += usize::from(is_of_iterator(method));
        }
    }
}

/// The name that a text ends with; a raw one is none of those looked for.
fn last_name(text: &str) -> &str {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
    let length = text.bytes().rev().take_while(is_part).count();
    let name = text.len() - length;
    if text[..name].ends_with("r#") { "" } else { &text[name..] }
}

fn is_bindgen(name: &str) -> bool {
    name.starts_with("bindgen_") || name.starts_with("__bindgen") || name.starts_with("__Bindgen")
}

fn is_of_iterator(method: &str) -> bool {
    matches!(
        method,
        "iter"
            | "iter_mut"
            | "into_iter"
            | "map"
            | "filter"
            | "filter_map"
            | "flat_map"
            | "fold"
            | "collect"
            | "zip"
            | "enumerate"
            | "rev"
            | "any"
            | "all"
            | "find"
            | "position"
            | "chain"
            | "take_while"
            | "skip_while"
            | "sum"
            | "windows"
            | "chunks"
    )
}
