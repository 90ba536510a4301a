//! The presets in `configs/`, embedded so that they work from anywhere.
//!
//! Read next: the files themselves.

use crate::suggest;

/// Name and text of every preset, by name.
const PRESETS: [(&str, &str); 6] = [
    ("llama-3.1-8b-phase1", include_str!("../../../configs/llama-3.1-8b-phase1.toml")),
    ("llama-3.1-8b-phase2", include_str!("../../../configs/llama-3.1-8b-phase2.toml")),
    ("quickstart", include_str!("../../../configs/quickstart.toml")),
    ("qwen2.5-coder-0.5b", include_str!("../../../configs/qwen2.5-coder-0.5b.toml")),
    ("qwen2.5-coder-1.5b", include_str!("../../../configs/qwen2.5-coder-1.5b.toml")),
    ("qwen2.5-coder-7b", include_str!("../../../configs/qwen2.5-coder-7b.toml")),
];

/// Returns the names of the presets, sorted.
pub fn preset_names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name)
}

/// Returns the text of a preset, to copy and change.
pub fn preset_text(name: &str) -> Option<&'static str> {
    PRESETS.iter().find(|(preset, _)| *preset == name).map(|(_, text)| *text)
}

/// Says which preset was probably meant, or which there are.
pub(crate) fn suggestion(name: &str) -> String {
    match suggest::closest(name, preset_names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let names: Vec<&str> = preset_names().collect();
            format!("there are {}", crate::shape::list(&names))
        }
    }
}
