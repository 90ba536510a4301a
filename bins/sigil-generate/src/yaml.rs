//! YAML prompts to JSON values with lines: texts, lists and tables.
//!
//! Not a general loader: anchors, tags and several documents are refused, and every scalar is the
//! text that is written (a prompt `no` is no boolean).

use saphyr_parser::{Event, Parser, StrInput};
use serde_json::{Map, Value};

/// Lists and tables inside each other.
const DEEPEST: usize = 16;

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct YamlError {
    /// From 1.
    pub(crate) line: usize,
    /// A fragment for a message.
    pub(crate) reason: String,
}

/// A document: what is at its top, with the lines of a list's items.
#[derive(Debug)]
pub(crate) struct Document {
    top: Node,
}

/// A value with the line it begins at.
#[derive(Debug)]
struct Node {
    line: usize,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Text(String),
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
}

impl Document {
    /// The items of the list at the top, or of the one under `prompts`.
    pub(crate) fn prompts(self) -> Option<Vec<(usize, Value)>> {
        let items = match self.top.content {
            Content::List(items) => items,
            Content::Table(entries) => {
                let (_, node) = entries.into_iter().find(|(key, _)| key == "prompts")?;
                let Content::List(items) = node.content else { return None };
                items
            }
            Content::Text(_) => return None,
        };
        Some(items.into_iter().map(|node| (node.line, node.value())).collect())
    }
}

impl Node {
    fn value(self) -> Value {
        match self.content {
            Content::Text(text) => Value::String(text),
            Content::List(items) => Value::Array(items.into_iter().map(Node::value).collect()),
            Content::Table(entries) => {
                let entries = entries.into_iter().map(|(key, node)| (key, node.value()));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }
}

/// Reads a text with one document.
pub(crate) fn read(text: &str) -> Result<Document, YamlError> {
    let mut open: Vec<(Node, Option<String>)> = vec![];
    let mut top = None;
    for event in Parser::new(StrInput::new(text)) {
        let (event, span) = event.map_err(|error| YamlError {
            line: error.marker().line().max(1),
            reason: error.info().to_owned(),
        })?;
        let line = span.start.line().max(1);
        let fault = |reason: &str| Err(YamlError { line, reason: reason.to_owned() });
        let node = match event {
            Event::Scalar(text, ..) => {
                // A scalar where a key is awaited is that key.
                if let Some((Node { content: Content::Table(_), .. }, key @ None)) = open.last_mut()
                {
                    *key = Some(text.into_owned());
                    continue;
                }
                Node { line, content: Content::Text(text.into_owned()) }
            }
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                if open.len() >= DEEPEST {
                    return fault("lists and tables are nested too deeply");
                }
                if let Some((Node { content: Content::Table(_), .. }, None)) = open.last() {
                    return fault("a key must be a text");
                }
                let list = matches!(event, Event::SequenceStart(..));
                let content = if list { Content::List(vec![]) } else { Content::Table(vec![]) };
                open.push((Node { line, content }, None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some((node, _)) => node,
                None => return fault("an end without a beginning"),
            },
            Event::Alias(_) => return fault("aliases are not read here: write the prompt again"),
            Event::DocumentStart(_) if top.is_some() => return fault("only one document is read"),
            _ => continue,
        };
        match open.last_mut() {
            None => top = Some(node),
            Some((Node { content: Content::List(items), .. }, _)) => items.push(node),
            Some((Node { content: Content::Table(entries), .. }, key)) => {
                let key = key.take().unwrap_or_default();
                if entries.iter().any(|(other, _)| *other == key) {
                    return fault(&format!("the key `{key}` is there twice"));
                }
                entries.push((key, node));
            }
            Some((Node { content: Content::Text(_), .. }, _)) => {
                return fault("a text has no parts");
            }
        }
    }
    let empty = || Node { line: 1, content: Content::Text(String::new()) };
    Ok(Document { top: top.unwrap_or_else(empty) })
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[-a:\\[\\]{}\", \n&*|>!#%']{0,40}") {
            if let Err(error) = read(&text) {
                assert!(error.line >= 1 && !error.reason.is_empty());
            }
        }
    }
}
