//! YAML 1.2 into nodes: one document, string keys, the core schema's scalars.
//!
//! The events come from saphyr-parser; the tree is built here because a settings file needs what a
//! general loader gives up: places of keys and values, and every duplicate key as an error.
//! Deliberately not supported: several documents, merge keys, tags other than the core schema's.
//! Read next: `../node.rs`.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use super::SyntaxProblem;
use crate::node::{Entry, Node, Value};

/// Tables and lists inside each other; settings need five.
const DEEPEST: usize = 64;
/// Nodes that aliases may add; stops texts that grow without bound when expanded.
const MOST_ALIASED_NODES: usize = 10_000;

/// Reads a text.
pub(crate) fn read(text: &str) -> (Node, Vec<SyntaxProblem>) {
    let mut builder = Builder::new(text);
    let mut events = Parser::new(StrInput::new(text));
    while let Some(event) = events.next_event() {
        match event {
            Ok((event, span)) => {
                if !builder.take(event, span) {
                    break;
                }
            }
            Err(error) => {
                let at = builder.byte_of(error.marker().index());
                builder.problem(error.info().to_owned(), at..at);
                break;
            }
        }
    }
    builder.finish()
}

/// A list or a table that is still open.
struct Open {
    start: usize,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Table { entries: Vec<Entry>, key: Option<(String, std::ops::Range<usize>)> },
}

struct Builder {
    /// Byte position of each character, and of the end: the parser counts characters.
    bytes: Vec<usize>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    aliased_nodes: usize,
    documents: usize,
    root: Option<Node>,
    problems: Vec<SyntaxProblem>,
}

impl Builder {
    fn new(text: &str) -> Self {
        let mut bytes: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        bytes.push(text.len());
        Self {
            bytes,
            open: Vec::new(),
            anchors: BTreeMap::new(),
            aliased_nodes: 0,
            documents: 0,
            root: None,
            problems: Vec::new(),
        }
    }

    fn byte_of(&self, character: usize) -> usize {
        let last = self.bytes.len() - 1;
        self.bytes[character.min(last)]
    }

    fn range_of(&self, span: Span) -> std::ops::Range<usize> {
        let start = self.byte_of(span.start.index());
        start..self.byte_of(span.end.index()).max(start)
    }

    fn problem(&mut self, message: String, span: std::ops::Range<usize>) {
        self.problems.push(SyntaxProblem { message, span });
    }

    /// Takes an event; returns whether reading makes sense beyond it.
    fn take(&mut self, event: Event<'_>, span: Span) -> bool {
        let range = self.range_of(span);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.problem("a settings file holds one document".to_owned(), range);
                    return false;
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let value = match tag {
                    None if plain => resolve(&text),
                    None => Value::Text(text.into_owned()),
                    Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => {
                        Value::Text(text.into_owned())
                    }
                    Some(tag) if tag.is_yaml_core_schema() => resolve(&text),
                    Some(tag) => {
                        self.problem(format!("the tag `{tag}` has no meaning here"), range.clone());
                        Value::Null
                    }
                };
                self.place(Node::new(value, range), anchor);
            }
            Event::SequenceStart(anchor, _) => {
                return self.begin(Content::List(Vec::new()), range.start, anchor);
            }
            Event::MappingStart(anchor, _) => {
                let content = Content::Table { entries: Vec::new(), key: None };
                return self.begin(content, range.start, anchor);
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(range.end),
            Event::Alias(anchor) => return self.alias(anchor, range),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        true
    }

    fn begin(&mut self, content: Content, start: usize, anchor: usize) -> bool {
        if self.open.len() == DEEPEST {
            self.problem("lists and tables are nested too deeply".to_owned(), start..start);
            return false;
        }
        self.open.push(Open { start, anchor, content });
        true
    }

    fn end(&mut self, end: usize) {
        let Some(open) = self.open.pop() else { return };
        let value = match open.content {
            Content::List(items) => Value::List(items),
            Content::Table { entries, .. } => Value::Table(entries),
        };
        self.place(Node::new(value, open.start..end.max(open.start)), open.anchor);
    }

    fn alias(&mut self, anchor: usize, range: std::ops::Range<usize>) -> bool {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            self.problem("an alias of something that is not complete".to_owned(), range);
            return false;
        };
        self.aliased_nodes += count(&node);
        if self.aliased_nodes > MOST_ALIASED_NODES {
            self.problem("aliases expand to too many values".to_owned(), range);
            return false;
        }
        self.place(node, 0);
        true
    }

    /// Puts a finished node where it belongs: root, list, key or value.
    fn place(&mut self, node: Node, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut open.content {
            Content::List(items) => items.push(node),
            Content::Table { entries, key } => match key.take() {
                Some((name, key_span)) => {
                    if entries.iter().any(|entry| entry.key == name) {
                        self.problems.push(SyntaxProblem {
                            message: format!("duplicate key `{}`", name.escape_debug()),
                            span: key_span,
                        });
                    } else {
                        entries.push(Entry { key: name, key_span, node });
                    }
                }
                None => {
                    let name = match node.value {
                        Value::Text(text) => text,
                        Value::Integer(value) => value.to_string(),
                        Value::Bool(value) => value.to_string(),
                        other => {
                            self.problems.push(SyntaxProblem {
                                message: format!("{} can not be a key", other.describe()),
                                span: node.span.clone(),
                            });
                            String::new()
                        }
                    };
                    *key = Some((name, node.span));
                }
            },
        }
    }

    fn finish(mut self) -> (Node, Vec<SyntaxProblem>) {
        let root = match self.root.take() {
            // Stopped in the middle: close what is open, so that the rest of the text is checked.
            None if !self.open.is_empty() => {
                let end = self.byte_of(usize::MAX);
                while !self.open.is_empty() {
                    self.end(end);
                }
                self.root.take()
            }
            root => root,
        };
        let empty = Node::bare(Value::Table(Vec::new()));
        let node = match root {
            Some(node) if node.value == Value::Null => empty,
            Some(node) => node,
            None => empty,
        };
        (node, self.problems)
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(items) => items.iter().map(count).sum(),
        Value::Table(entries) => entries.iter().map(|entry| count(&entry.node)).sum(),
        _ => 0,
    }
}

/// Resolves a plain scalar by the core schema (YAML 1.2.2, section 10.3.2).
fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Value::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        _ => {}
    }
    let radix = |prefix: &str, radix| {
        text.strip_prefix(prefix)
            .filter(|digits| !digits.starts_with(['+', '-']))
            .and_then(|digits| i64::from_str_radix(digits, radix).ok())
    };
    if let Some(value) = radix("0x", 16).or_else(|| radix("0o", 8)) {
        return Value::Integer(value);
    }
    if let Ok(value) = text.parse::<i64>() {
        return Value::Integer(value);
    }
    let looks_like_a_number = text.contains(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    match text.parse::<f64>() {
        Ok(value) if looks_like_a_number => Value::Float(value),
        _ => Value::Text(text.to_owned()),
    }
}
