//! What several tests need: a small real tokenizer and files in a temporary folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use sigil_data::{BpeSettings, Tokenizer, train_byte_level_bpe};
use tempfile::TempDir;

pub(crate) const SPECIAL: [&str; 3] = ["<|endoftext|>", "<|begin|>", "<|pad|>"];

/// Source code to train and encode.
pub(crate) fn rust_texts(count: usize) -> Vec<String> {
    (0..count)
        .map(|seed| {
            let functions: String = (0..=seed % 5)
                .map(|number| {
                    format!(
                        "/// Adds {number} to the value.\npub fn add_{seed}_{number}(value: u64) -> \
                         u64 {{\n    let sum = value + {number};\n    if sum > {seed} {{\n        \
                         return sum;\n    }}\n    value\n}}\n\n"
                    )
                })
                .collect();
            format!("//! Module {seed}.\nuse std::collections::BTreeMap;\n\n{functions}")
        })
        .collect()
}

static TOKENIZER_JSON: LazyLock<Vec<u8>> = LazyLock::new(|| {
    train_byte_level_bpe(rust_texts(30), &BpeSettings::new(340, &SPECIAL))
        .expect("the texts give a vocabulary")
});

pub(crate) fn tokenizer_json() -> &'static [u8] {
    &TOKENIZER_JSON
}

/// Writes a model folder with a tokenizer; `config` is its `tokenizer_config.json`.
pub(crate) fn tokenizer_folder(config: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    write(&folder.path().join("tokenizer.json"), tokenizer_json());
    write(&folder.path().join("tokenizer_config.json"), config.as_bytes());
    folder
}

pub(crate) fn tokenizer() -> Tokenizer {
    let folder = tokenizer_folder(r#"{"eos_token": "<|endoftext|>", "pad_token": "<|pad|>"}"#);
    Tokenizer::load(folder.path()).expect("the tokenizer loads")
}

/// Writes a file and the folders above it.
pub(crate) fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("a file has a folder")).expect("folders can be made");
    fs::write(path, bytes).expect("the file can be written");
}

pub(crate) fn write_in(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    write(&path, text.as_bytes());
    path
}
