//! The JSON Schema of the settings, for editors and for the loader's own checks.
//!
//! Generated from the structs' doc comments and bounds; the copy in `configs/` is tested to be
//! current. Read next: `shape.rs`, which reads it.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::settings::Settings;

/// Returns the JSON Schema (draft 2020-12) of [`Settings`].
pub fn json_schema() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.into_generator().into_root_schema_for::<Settings>().to_value()
}

/// Returns the JSON Schema as the text that is committed at `configs/sigil.schema.json`.
pub fn json_schema_text() -> String {
    let mut text =
        serde_json::to_string_pretty(&json_schema()).expect("a JSON value is serializable");
    text.push('\n');
    text
}
