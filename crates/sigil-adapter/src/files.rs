//! The files of a folder and what each is for.
//!
//! Only names are looked at. Next: `inspect.rs`.

use std::path::Path;

use serde::Serialize;

use crate::AdapterError;

/// A file at the top of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileFacts {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// What it is for.
    pub purpose: &'static str,
}

/// Names and purposes; a trailing or leading `*` stands for anything.
const PURPOSES: [(&str, &str); 30] = [
    ("adapter_config.json", "LoRA settings, as PEFT reads them"),
    ("adapter_model.safetensors", "LoRA matrices"),
    ("adapter_model.bin", "LoRA matrices as a pickle, which is not read here"),
    ("config.json", "the model's architecture"),
    ("generation_config.json", "how the model's makers want it sampled"),
    ("model.safetensors", "weights"),
    ("model.safetensors.index.json", "which shard holds which tensor"),
    ("model-*", "a shard of the weights"),
    ("optimizer.safetensors", "the optimizer's moments, needed to resume"),
    ("optimizer.pt", "an optimizer's state as a pickle, which is not read here"),
    ("trainer_state.json", "where the training stood, needed to resume"),
    ("training_args.bin", "a trainer's arguments as a pickle, which is not read here"),
    ("scheduler.pt", "a schedule's state as a pickle, which is not read here"),
    ("rng_state.pth", "random states as a pickle, which is not read here"),
    ("tokenizer.json", "tokenizer"),
    ("tokenizer.model", "tokenizer, as SentencePiece has it"),
    ("tokenizer_config.json", "tokenizer settings and chat template"),
    ("special_tokens_map.json", "special tokens"),
    ("added_tokens.json", "tokens added to the vocabulary"),
    ("vocab.json", "vocabulary"),
    ("merges.txt", "merges of the vocabulary"),
    ("chat_template.jinja", "how a conversation becomes text"),
    ("README.md", "model card"),
    ("manifest.json", "lengths and digests of the set's files"),
    ("config.toml", "the run's settings, as sigil-train reads them"),
    ("data_ledger.json", "what became of every row"),
    ("metrics.jsonl", "what was measured, a row for each step that was logged"),
    ("*.gguf", "a whole model for llama.cpp"),
    ("*.safetensors", "tensors"),
    ("*.tfevents*", "curves for TensorBoard"),
];

/// What a file of this name is for.
#[must_use]
pub fn purpose(name: &str) -> &'static str {
    let fits = |pattern: &str| match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(rest), Some(_)) => name.contains(rest.trim_end_matches('*')),
        (Some(end), None) => name.ends_with(end),
        (None, Some(start)) => name.starts_with(start),
        (None, None) => name == pattern,
    };
    PURPOSES.iter().find(|(pattern, _)| fits(pattern)).map_or("other", |(_, purpose)| purpose)
}

/// Lists the files at the top of a folder, by name; hidden ones are left out.
///
/// # Errors
/// The folder cannot be read.
pub fn list(folder: &Path) -> Result<Vec<FileFacts>, AdapterError> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(AdapterError::read(folder))? {
        let entry = entry.map_err(AdapterError::read(folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Followed where it is a link: the Hub's cache is made of links.
        let Ok(about) = std::fs::metadata(entry.path()) else { continue };
        if about.is_file() && !name.starts_with('.') {
            files.push(FileFacts { purpose: purpose(&name), bytes: about.len(), name });
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// A number of bytes for people.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_purposes() {
        assert_eq!(purpose("adapter_config.json"), "LoRA settings, as PEFT reads them");
        assert_eq!(purpose("model-00001-of-00002.safetensors"), "a shard of the weights");
        assert_eq!(purpose("model.safetensors"), "weights");
        assert_eq!(purpose("events.out.tfevents.1"), "curves for TensorBoard");
        assert_eq!(purpose("x.gguf"), "a whole model for llama.cpp");
        assert_eq!(purpose("config.toml"), "the run's settings, as sigil-train reads them");
        assert_eq!(purpose("notes.txt"), "other");
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!([size(12), size(2048), size(5 << 30)], ["12 B", "2.0 KiB", "5.0 GiB"]);
    }
}
