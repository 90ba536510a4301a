//! What each setting takes: the JSON Schema of [`Settings`](crate::Settings), read once into a
//! tree that is easy to walk.
//!
//! The schema comes from the structs, so the checks, the editor's completion and the reference
//! cannot drift apart. Read next: `check.rs` (compares nodes with shapes), `schema.rs` (the file).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value as Json;

/// What a setting takes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shape {
    pub(crate) kind: Kind,
    /// Whether `null` is allowed and means "not set".
    pub(crate) nullable: bool,
    /// The doc comment.
    pub(crate) text: String,
}

/// The type of a setting with its bounds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Bool,
    Integer(Bounds),
    Number(Bounds),
    Text {
        shortest: usize,
    },
    Choice(Vec<String>),
    /// A list; with `or_text`, a single text is taken as a list.
    List {
        item: Box<Shape>,
        shortest: usize,
        or_text: bool,
    },
    /// A struct: these keys and no others.
    Section(BTreeMap<String, Shape>),
    /// Any keys, values of one shape.
    Map(Box<Shape>),
    /// Anything at all.
    Any,
}

/// Limits of a number.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Bounds {
    pub(crate) least: Option<f64>,
    pub(crate) above: Option<f64>,
    pub(crate) most: Option<f64>,
    pub(crate) below: Option<f64>,
}

/// Returns the shape of all settings.
pub(crate) fn settings() -> &'static Shape {
    static SHAPE: LazyLock<Shape> = LazyLock::new(|| Shape::read(&crate::schema::json_schema()));
    &SHAPE
}

impl Shape {
    /// Returns the shape at a path of keys.
    pub(crate) fn at<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Option<&Self> {
        path.into_iter().try_fold(self, |shape, key| match &shape.kind {
            Kind::Section(fields) => fields.get(key),
            Kind::Map(values) => Some(values.as_ref()),
            _ => None,
        })
    }

    fn read(schema: &Json) -> Self {
        let text = schema["description"].as_str().unwrap_or_default().to_owned();
        let types: Vec<&str> = match &schema["type"] {
            Json::String(name) => vec![name],
            Json::Array(names) => names.iter().filter_map(Json::as_str).collect(),
            _ => Vec::new(),
        };
        // An optional struct or enum is written as `anyOf: [it, null]`.
        if let Some(choices) = schema["anyOf"].as_array()
            && let Some(first) = choices.first()
        {
            return Self { nullable: true, text, ..Self::read(first) };
        }
        let has = |name: &str| types.contains(&name);
        let kind = if let Some(choices) = choices(schema) {
            Kind::Choice(choices)
        } else if has("boolean") {
            Kind::Bool
        } else if has("integer") {
            Kind::Integer(Bounds::read(schema))
        } else if has("number") {
            Kind::Number(Bounds::read(schema))
        } else if has("array") {
            Kind::List {
                item: Box::new(Self::read(&schema["items"])),
                shortest: length(schema, "minItems"),
                or_text: has("string"),
            }
        } else if has("string") {
            Kind::Text { shortest: length(schema, "minLength") }
        } else if let Some(fields) = schema["properties"].as_object() {
            let fields = fields.iter();
            Kind::Section(fields.map(|(key, field)| (key.clone(), Self::read(field))).collect())
        } else if has("object") {
            Kind::Map(Box::new(Self::read(&schema["additionalProperties"])))
        } else {
            Kind::Any
        };
        // An absent map is an empty one.
        let nullable = has("null") || matches!(kind, Kind::Map(_) | Kind::Any);
        Self { kind, nullable, text }
    }

    /// Names what is expected, for a message.
    pub(crate) fn expectation(&self) -> String {
        match &self.kind {
            Kind::Bool => "`true` or `false`".to_owned(),
            Kind::Integer(bounds) => format!("an integer{bounds}"),
            Kind::Number(bounds) => format!("a number{bounds}"),
            Kind::Text { .. } => "a text".to_owned(),
            Kind::Choice(choices) => list(choices),
            Kind::List { or_text: true, .. } => "a list of texts or one text".to_owned(),
            Kind::List { item, .. } => format!("a list, each item {}", item.expectation()),
            Kind::Section(_) => "a section".to_owned(),
            Kind::Map(item) => format!("a table, each value {}", item.expectation()),
            Kind::Any => "any value".to_owned(),
        }
    }
}

fn length(schema: &Json, key: &str) -> usize {
    schema[key].as_u64().map_or(0, |length| length as usize)
}

/// The values of an enum: `enum: [...]`, or one `const` for each documented variant.
fn choices(schema: &Json) -> Option<Vec<String>> {
    let names = |items: &Vec<Json>, of: fn(&Json) -> &Json| {
        let names = items.iter().map(|item| of(item).as_str().map(str::to_owned));
        names.collect::<Option<Vec<String>>>()
    };
    if let Some(items) = schema["oneOf"].as_array() {
        return names(items, |item| &item["const"]);
    }
    schema["enum"].as_array().and_then(|items| names(items, |item| item))
}

/// Joins quoted choices: "`a`, `b` or `c`".
pub(crate) fn list<S: AsRef<str>>(choices: &[S]) -> String {
    let mut text = String::new();
    for (index, choice) in choices.iter().enumerate() {
        match index {
            0 => {}
            _ if index + 1 == choices.len() => text.push_str(" or "),
            _ => text.push_str(", "),
        }
        text.push('`');
        text.push_str(choice.as_ref());
        text.push('`');
    }
    text
}

impl Bounds {
    fn read(schema: &Json) -> Self {
        let bound = |key: &str| schema[key].as_f64();
        Self {
            least: bound("minimum"),
            above: bound("exclusiveMinimum"),
            most: bound("maximum"),
            below: bound("exclusiveMaximum"),
        }
    }

    pub(crate) fn contain(&self, value: f64) -> bool {
        value.is_finite()
            && self.least.is_none_or(|least| value >= least)
            && self.above.is_none_or(|above| value > above)
            && self.most.is_none_or(|most| value <= most)
            && self.below.is_none_or(|below| value < below)
    }
}

impl std::fmt::Display for Bounds {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [
            ("of at least", self.least),
            ("above", self.above),
            ("up to", self.most),
            ("below", self.below),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter_map(|(word, bound)| Some(format!(" {word} {}", bound?)))
            .collect();
        formatter.write_str(&parts.join(" and"))
    }
}
