//! Values of GGUF's metadata.
//!
//! Only what is written here or met in files; numbers of other widths are read into the widest one.

use serde_json::json;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A 32-bit unsigned number.
    U32(u32),
    /// Any other unsigned number, when read.
    U64(u64),
    /// Any signed number, when read.
    I64(i64),
    /// A float.
    F32(f32),
    /// A wide float, when read.
    F64(f64),
    /// True or false.
    Bool(bool),
    /// Text.
    Text(String),
    /// A list of texts.
    Texts(Vec<String>),
    /// A list of 32-bit signed numbers.
    I32s(Vec<i32>),
    /// A list of floats.
    F32s(Vec<f32>),
    /// A list of anything else, when read.
    List(Vec<Value>),
}

impl Value {
    /// The number of the type in the file; lists have that of their elements besides.
    pub(super) fn type_id(&self) -> u32 {
        match self {
            Self::U32(_) => 4,
            Self::F32(_) => 6,
            Self::Bool(_) => 7,
            Self::Text(_) => 8,
            Self::Texts(_) | Self::I32s(_) | Self::F32s(_) | Self::List(_) => 9,
            Self::U64(_) => 10,
            Self::I64(_) => 11,
            Self::F64(_) => 12,
        }
    }

    /// Appends the value as the file has it, without its type.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let list = |out: &mut Vec<u8>, kind: u32, count: usize| {
            out.extend(kind.to_le_bytes());
            out.extend((count as u64).to_le_bytes());
        };
        match self {
            Self::U32(value) => out.extend(value.to_le_bytes()),
            Self::U64(value) => out.extend(value.to_le_bytes()),
            Self::I64(value) => out.extend(value.to_le_bytes()),
            Self::F32(value) => out.extend(value.to_le_bytes()),
            Self::F64(value) => out.extend(value.to_le_bytes()),
            Self::Bool(value) => out.push(u8::from(*value)),
            Self::Text(text) => write_text(out, text),
            Self::Texts(texts) => {
                list(out, 8, texts.len());
                texts.iter().for_each(|text| write_text(out, text));
            }
            Self::I32s(values) => {
                list(out, 5, values.len());
                values.iter().for_each(|value| out.extend(value.to_le_bytes()));
            }
            Self::F32s(values) => {
                list(out, 6, values.len());
                values.iter().for_each(|value| out.extend(value.to_le_bytes()));
            }
            Self::List(values) => {
                list(out, values.first().map_or(8, Self::type_id), values.len());
                values.iter().for_each(|value| value.write(out));
            }
        }
    }

    /// The value as JSON; a list longer than `most` is told by its length.
    #[must_use]
    pub fn to_json(&self, most: usize) -> serde_json::Value {
        let long = |count: usize, what: &str| json!(format!("{count} {what}"));
        match self {
            Self::U32(value) => json!(value),
            Self::U64(value) => json!(value),
            Self::I64(value) => json!(value),
            Self::F32(value) => json!(value),
            Self::F64(value) => json!(value),
            Self::Bool(value) => json!(value),
            Self::Text(text) => json!(text),
            Self::Texts(texts) if texts.len() > most => long(texts.len(), "texts"),
            Self::Texts(texts) => json!(texts),
            Self::I32s(values) if values.len() > most => long(values.len(), "numbers"),
            Self::I32s(values) => json!(values),
            Self::F32s(values) if values.len() > most => long(values.len(), "numbers"),
            Self::F32s(values) => json!(values),
            Self::List(values) if values.len() > most => long(values.len(), "values"),
            Self::List(values) => values.iter().map(|value| value.to_json(most)).collect(),
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A text: its length in bytes, then its bytes.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}
