//! Typed access to the keys of one JSON object, with errors that name file and key.
//!
//! Null counts as absent, as it does for transformers, except where `present` asks. It knows no
//! model key by itself; read `parse.rs` next.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::ConfigError;

/// One JSON object of a file, addressed by dotted keys in messages.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    file: &'a Path,
    prefix: &'a str,
    map: &'a Map<String, Value>,
}

/// Reads a file into its top-level JSON object.
pub(super) fn read_object(path: &Path) -> Result<Map<String, Value>, ConfigError> {
    let text = std::fs::read(path)
        .map_err(|source| ConfigError::Read { path: path.to_path_buf(), source })?;
    parse_object(&text, path)
}

/// Parses bytes into their top-level JSON object.
pub(super) fn parse_object(text: &[u8], path: &Path) -> Result<Map<String, Value>, ConfigError> {
    let value: Value = serde_json::from_slice(text).map_err(|source| ConfigError::Json {
        path: path.to_path_buf(),
        line: source.line(),
        column: source.column(),
        source,
    })?;
    match value {
        Value::Object(map) => Ok(map),
        _ => Err(ConfigError::NotAnObject { path: path.to_path_buf() }),
    }
}

impl<'a> Fields<'a> {
    pub(super) fn new(file: &'a Path, prefix: &'a str, map: &'a Map<String, Value>) -> Self {
        Self { file, prefix, map }
    }

    pub(super) fn file(&self) -> PathBuf {
        self.file.to_path_buf()
    }

    pub(super) fn key(&self, key: &str) -> String {
        if self.prefix.is_empty() { key.to_owned() } else { format!("{}.{key}", self.prefix) }
    }

    /// Whether the key is written at all, be it as null.
    pub(super) fn present(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    /// The value unless absent or null.
    pub(super) fn value(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    pub(super) fn wrong(&self, key: &str, expected: &'static str, found: &Value) -> ConfigError {
        ConfigError::Type { path: self.file(), key: self.key(key), expected, found: shorten(found) }
    }

    pub(super) fn range(
        &self,
        key: &str,
        value: impl ToString,
        rule: impl Into<String>,
    ) -> ConfigError {
        ConfigError::Range {
            path: self.file(),
            key: self.key(key),
            value: value.to_string(),
            rule: rule.into(),
        }
    }

    pub(super) fn unsupported(
        &self,
        key: &str,
        value: impl ToString,
        supported: impl Into<String>,
    ) -> ConfigError {
        ConfigError::Unsupported {
            path: self.file(),
            key: self.key(key),
            value: value.to_string(),
            supported: supported.into(),
        }
    }

    pub(super) fn missing(&self, key: &str) -> ConfigError {
        ConfigError::Missing { path: self.file(), key: self.key(key) }
    }

    pub(super) fn count(&self, key: &str) -> Result<Option<usize>, ConfigError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
        match number {
            Some(number) => Ok(Some(number)),
            None => Err(self.wrong(key, "a whole number of 0 or more", value)),
        }
    }

    /// A count of at least one and at most `most`; the bound keeps products of sizes from overflowing.
    pub(super) fn size(&self, key: &str, most: usize) -> Result<Option<usize>, ConfigError> {
        match self.count(key)? {
            Some(number) if number == 0 || number > most => {
                Err(self.range(key, number, format!("it must be between 1 and {most}")))
            }
            other => Ok(other),
        }
    }

    pub(super) fn number(&self, key: &str) -> Result<Option<f64>, ConfigError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        match value.as_f64().filter(|number| number.is_finite()) {
            Some(number) => Ok(Some(number)),
            None => Err(self.wrong(key, "a number", value)),
        }
    }

    pub(super) fn positive(&self, key: &str) -> Result<Option<f64>, ConfigError> {
        match self.number(key)? {
            Some(number) if number <= 0.0 => Err(self.range(key, number, "it must be above 0")),
            other => Ok(other),
        }
    }

    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool, ConfigError> {
        match self.value(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.wrong(key, "true or false", other)),
        }
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, ConfigError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(key, "a string", other)),
        }
    }

    pub(super) fn object(&self, key: &str) -> Result<Option<&'a Map<String, Value>>, ConfigError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            Some(other) => Err(self.wrong(key, "an object", other)),
        }
    }

    pub(super) fn numbers(&self, key: &str) -> Result<Option<Vec<f64>>, ConfigError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let list = value.as_array().and_then(|list| {
            let numbers = list.iter().map(|item| item.as_f64().filter(|x| x.is_finite()));
            numbers.collect::<Option<Vec<f64>>>()
        });
        list.map(Some).ok_or_else(|| self.wrong(key, "a list of numbers", value))
    }

    pub(super) fn texts(&self, key: &str) -> Result<Option<Vec<String>>, ConfigError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let list = value.as_array().and_then(|list| {
            list.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        list.map(Some).ok_or_else(|| self.wrong(key, "a list of strings", value))
    }

    /// Token ids given as one number or as a list of numbers.
    pub(super) fn token_ids(&self, key: &str) -> Result<Option<Vec<u32>>, ConfigError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let id = |item: &Value| item.as_u64().and_then(|id| u32::try_from(id).ok());
        let ids = match value {
            Value::Array(list) => list.iter().map(id).collect::<Option<Vec<u32>>>(),
            one => id(one).map(|id| vec![id]),
        };
        ids.map(Some).ok_or_else(|| self.wrong(key, "a token id or a list of token ids", value))
    }

    /// One token id; a negative one (as the first llama checkpoints have for padding) counts as none.
    pub(super) fn token_id(&self, key: &str) -> Result<Option<u32>, ConfigError> {
        match self.value(key) {
            Some(Value::Number(number)) if number.as_i64().is_some_and(|id| id < 0) => Ok(None),
            Some(Value::Array(list)) if list.len() != 1 => {
                Err(self.wrong(key, "one token id", &Value::Array(list.clone())))
            }
            _ => Ok(self.token_ids(key)?.and_then(|ids| ids.first().copied())),
        }
    }
}

fn shorten(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 {
        return text;
    }
    let head: String = text.chars().take(57).collect();
    format!("{head}...")
}
