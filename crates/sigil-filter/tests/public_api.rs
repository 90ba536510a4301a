//! The public interface as text, committed in `public-api.txt`, so that no change of it slips in.
//!
//! Read from the sources: the lint `unreachable_pub` sees to it that what says `pub` is public. What
//! the crate's own macros define is listed by their input. `UPDATE_EXPECT=1` rewrites the file.

use std::fs;
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use quote::ToTokens;
use syn::{Attribute, Fields, ImplItem, Item, Visibility};

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the sources are there") {
        let path = entry.expect("the sources can be read").path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn text(part: &impl ToTokens) -> String {
    part.to_token_stream().to_string()
}

/// Conditions and derives are part of the interface; documentation is not.
fn attributes(list: &[Attribute]) -> String {
    let shown = ["derive", "cfg", "cfg_attr", "non_exhaustive"];
    let shown = list.iter().filter(|a| shown.iter().any(|name| a.path().is_ident(name)));
    shown.map(|attribute| text(attribute) + " ").collect()
}

fn fields(fields: &Fields, lines: &mut Vec<String>) {
    for field in fields.iter().filter(|field| is_public(&field.vis)) {
        let name = field.ident.as_ref().map_or(String::new(), |name| format!("{name}: "));
        lines.push(format!("    {}{name}{}", attributes(&field.attrs), text(&field.ty)));
    }
}

fn item(item: &Item, lines: &mut Vec<String>) {
    match item {
        Item::Struct(it) if is_public(&it.vis) => {
            lines.push(format!(
                "{}struct {}{}",
                attributes(&it.attrs),
                it.ident,
                text(&it.generics)
            ));
            fields(&it.fields, lines);
        }
        Item::Enum(it) if is_public(&it.vis) => {
            lines.push(format!("{}enum {}", attributes(&it.attrs), it.ident));
            for variant in &it.variants {
                lines.push(format!("    {} {}", variant.ident, text(&variant.fields)));
            }
        }
        Item::Fn(it) if is_public(&it.vis) => lines.push(text(&it.sig)),
        Item::Use(it) if is_public(&it.vis) => lines.push(format!("use {}", text(&it.tree))),
        Item::Mod(it) if is_public(&it.vis) => lines.push(format!("mod {}", it.ident)),
        Item::Impl(it) => {
            let of_trait = it.trait_.as_ref().map_or(String::new(), |of| text(&of.1) + " for ");
            let head = format!("{}impl {of_trait}{}", attributes(&it.attrs), text(&it.self_ty));
            let mut members = Vec::new();
            for member in &it.items {
                match member {
                    ImplItem::Fn(it) if is_public(&it.vis) => {
                        members.push(format!("    {}{}", attributes(&it.attrs), text(&it.sig)));
                    }
                    ImplItem::Const(it) if is_public(&it.vis) => {
                        members.push(format!("    const {}: {}", it.ident, text(&it.ty)));
                    }
                    _ => {}
                }
            }
            let ours = ["Rule", "Canonical"].iter().any(|name| of_trait.starts_with(name));
            if !members.is_empty() || (!of_trait.is_empty() && !ours) {
                lines.push(head);
                lines.append(&mut members);
            }
        }
        Item::Macro(it) if it.ident.is_none() => {
            let name = text(&it.mac.path);
            if ["settings", "tree_facts", "rule_set"].contains(&name.as_str()) {
                lines.push(format!("{name}!"));
                let body = it.mac.tokens.to_string();
                lines.extend(without_documentation(&body).map(|line| format!("    {line}")));
            }
        }
        _ => {}
    }
}

/// The lines of a macro's input: its parts between commas that stand in no bracket, without
/// documentation.
fn without_documentation(body: &str) -> impl Iterator<Item = String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_usize;
    let mut in_text = false;
    let mut last = ' ';
    for letter in body.chars() {
        let quote = letter == '"' && last != '\\';
        in_text ^= quote;
        if !in_text && !quote {
            match letter {
                '(' | '[' => depth += 1,
                ')' | ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 && matches!(letter, ',' | '{' | '}' | ']') {
                parts.push(String::new());
                last = letter;
                continue;
            }
        }
        last = letter;
        parts.last_mut().expect("there is one part").push(letter);
    }
    let parts = parts.into_iter().map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
    parts.filter(|part| !part.is_empty() && !part.starts_with("# [doc"))
}

#[test]
fn the_public_interface_is_the_committed_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    files.sort();
    let mut lines = Vec::new();
    for path in files {
        let source = fs::read_to_string(&path).expect("the sources can be read");
        let file = syn::parse_file(&source).expect("the sources are Rust");
        let mut of_file = Vec::new();
        file.items.iter().for_each(|it| item(it, &mut of_file));
        if !of_file.is_empty() {
            let name = path.strip_prefix(&root).expect("it lies there").display().to_string();
            lines.push(format!("\n# {}", name.replace('\\', "/")));
            lines.append(&mut of_file);
        }
    }
    expect_file!["public-api.txt"].assert_eq(&(lines.join("\n").trim_start().to_owned() + "\n"));
}
