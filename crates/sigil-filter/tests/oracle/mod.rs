//! A second way to the same facts: `syn`'s tree instead of tree-sitter's, and code of its own.
//!
//! It recurses and needs whole, correct files, so it can check the filter but not replace it.

use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Meta, Token, Visibility};

/// What the oracle says of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Oracle {
    pub(crate) has_tests: bool,
    pub(crate) public_items: usize,
    pub(crate) documented_items: usize,
}

/// Reads a file; `None` if `syn` does not.
pub(crate) fn ask(source: &str) -> Option<Oracle> {
    let file = syn::parse_file(source).ok()?;
    let mut oracle = Oracle::default();
    oracle.visit_file(&file);
    Some(oracle)
}

impl Oracle {
    fn item(&mut self, visibility: &Visibility, attributes: &[Attribute]) {
        let documented = attributes
            .iter()
            .any(|a| matches!(&a.meta, Meta::NameValue(pair) if pair.path.is_ident("doc")));
        let hidden = attributes.iter().any(|a| match &a.meta {
            Meta::List(list) if list.path.is_ident("doc") => {
                list.tokens.to_string().starts_with("hidden")
            }
            _ => false,
        });
        if matches!(visibility, Visibility::Public(_)) && !hidden {
            self.public_items += 1;
            self.documented_items += usize::from(documented);
        }
    }
}

/// Whether the predicate can hold in a build that has no tests.
fn can_hold_without_tests(meta: &Meta, wanted: bool) -> bool {
    let parts = |list: &syn::MetaList| {
        list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).unwrap_or_default()
    };
    match meta {
        Meta::Path(path) if path.is_ident("test") || path.is_ident("doctest") => !wanted,
        Meta::List(list) if list.path.is_ident("not") => {
            parts(list).iter().all(|part| can_hold_without_tests(part, !wanted))
        }
        Meta::List(list) if list.path.is_ident("all") == wanted => {
            parts(list).iter().all(|part| can_hold_without_tests(part, wanted))
        }
        Meta::List(list) if list.path.is_ident("all") || list.path.is_ident("any") => {
            parts(list).iter().any(|part| can_hold_without_tests(part, wanted))
        }
        _ => true,
    }
}

fn is_test_path(path: &syn::Path) -> bool {
    const NAMES: [&str; 9] = [
        "test",
        "rstest",
        "test_case",
        "test_matrix",
        "test_context",
        "wasm_bindgen_test",
        "quickcheck",
        "proptest",
        "gtest",
    ];
    path.segments.last().is_some_and(|last| NAMES.iter().any(|name| last.ident == name))
}

fn is_test_attribute(attribute: &Attribute) -> bool {
    if is_test_path(attribute.path()) {
        return true;
    }
    let Meta::List(list) = &attribute.meta else { return false };
    let Ok(parts) = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) else {
        return false;
    };
    if list.path.is_ident("cfg") {
        let named = list.tokens.to_string().contains("test");
        return named && !parts.iter().all(|part| can_hold_without_tests(part, true));
    }
    list.path.is_ident("cfg_attr") && parts.iter().skip(1).any(|part| is_test_path(part.path()))
}

macro_rules! items {
    ($($visit:ident: $type:ident,)*) => {$(
        fn $visit(&mut self, item: &'ast syn::$type) {
            self.item(&item.vis, &item.attrs);
            visit::$visit(self, item);
        }
    )*};
}

impl<'ast> Visit<'ast> for Oracle {
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        self.has_tests |= is_test_attribute(attribute);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let name = call.path.segments.last().map(|last| last.ident.to_string());
        let tests = ["proptest", "quickcheck", "rusty_fork_test"];
        self.has_tests |= name.is_some_and(|name| tests.contains(&name.as_str()));
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.content.is_some() {
            self.item(&item.vis, &item.attrs);
        }
        visit::visit_item_mod(self, item);
    }

    items! {
        visit_item_fn: ItemFn,
        visit_item_struct: ItemStruct,
        visit_item_enum: ItemEnum,
        visit_item_union: ItemUnion,
        visit_item_trait: ItemTrait,
        visit_item_const: ItemConst,
        visit_item_static: ItemStatic,
        visit_item_type: ItemType,
        visit_impl_item_fn: ImplItemFn,
        visit_impl_item_const: ImplItemConst,
        visit_impl_item_type: ImplItemType,
        visit_foreign_item_fn: ForeignItemFn,
        visit_foreign_item_static: ForeignItemStatic,
    }
}
