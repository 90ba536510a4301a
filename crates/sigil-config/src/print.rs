//! Every effective value with its origin, as TOML that loads back to the same settings.
//!
//! Read next: `origin.rs` (the words for origins), `settings.rs` (`to_toml`, without origins).

use std::fmt::Write as _;

use crate::loaded::Loaded;
use crate::node::{Entry, Node, Value};
use crate::origin::join;
use crate::shape::{self, Kind, Shape};
use crate::syntax;

impl Loaded {
    /// Renders every effective value with where it came from, as commented TOML. Secrets are
    /// masked; what is not set stands in comments.
    pub fn print_config(&self) -> String {
        let text = self.settings.to_toml();
        // Reading the text back gives the fields in their order, and each value as it is written.
        let (root, _) = syntax::toml::read(&text);
        let mut page = Page { loaded: self, text: &text, out: String::new() };
        for section in root.table().unwrap_or_default() {
            page.section(&mut vec![section.key.clone()], section);
        }
        page.out
    }

    fn origin(&self, key: &str) -> String {
        self.book.origin(key).to_string()
    }
}

struct Page<'a> {
    loaded: &'a Loaded,
    text: &'a str,
    out: String,
}

impl Page<'_> {
    fn section(&mut self, path: &mut Vec<String>, section: &Entry) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        let _ = writeln!(self.out, "[{}]", join(path));
        let entries = section.node.table().unwrap_or_default();
        let is_table = |entry: &&Entry| matches!(entry.node.value, Value::Table(_));
        for entry in entries.iter().filter(|entry| !is_table(entry)) {
            path.push(entry.key.clone());
            self.value(path, &entry.node);
            path.pop();
        }
        let shape = shape::settings().at(path.iter().map(String::as_str));
        self.not_set(path, entries, shape);
        for entry in entries.iter().filter(is_table) {
            path.push(entry.key.clone());
            self.section(path, entry);
            path.pop();
        }
    }

    fn value(&mut self, path: &[String], node: &Node) {
        let key = join(&path[path.len() - 1..]);
        let value = self.text.get(node.span.clone()).unwrap_or_default();
        let origin = self.loaded.origin(&join(path));
        let _ = writeln!(self.out, "{key} = {value}  # {origin}");
    }

    /// Lists the fields of a section that have no value.
    fn not_set(&mut self, path: &mut Vec<String>, entries: &[Entry], shape: Option<&Shape>) {
        let Some(Kind::Section(fields)) = shape.map(|shape| &shape.kind) else {
            return;
        };
        for name in fields.keys() {
            if entries.iter().any(|entry| entry.key == *name) {
                continue;
            }
            path.push(name.clone());
            let key = join(path);
            let token = &self.loaded.settings.hub.token;
            let _ = if key == "hub.token" && token.is_some() {
                writeln!(self.out, "# {name} = ***  # {}", self.loaded.origin(&key))
            } else {
                writeln!(self.out, "# {name} is not set")
            };
            path.pop();
        }
    }
}
