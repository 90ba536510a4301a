//! Starts the program in a folder of its own, with a small dataset and a tokenizer.

use std::path::Path;
use std::process::{Command, Output};

use sigil_data::{BpeSettings, train_byte_level_bpe};
use tempfile::TempDir;

/// Writes a file into a folder.
pub(crate) fn write(folder: &TempDir, name: &str, bytes: impl AsRef<[u8]>) {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().expect("a file has a folder"))
        .expect("folders can be made");
    std::fs::write(path, bytes).expect("the file can be written");
}

/// The program in a folder; nothing of the caller's settings reaches it.
pub(crate) fn bare(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sigil-data"));
    command
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("XDG_CACHE_HOME", folder.join("cache"));
    command
}

/// A folder with five rows, one of them cut, and a model without weights.
pub(crate) fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let rows = [
        r#"{"prompt": "Write a", "gen": "fn a() -> u8 { 1 }", "_task_type": "fix", "_source": "x"}"#,
        r#"{"prompt": "Write b", "gen": "fn b() -> u16 { 2 }", "crate_name": "<script>alert(1)</script>"}"#,
        r#"{"prompt": "Write a", "gen": "fn  a() -> u8 { 1 }"}"#,
        r#"{"prompt": "Write c", "gen": "x"}"#,
        r#"{"prompt": "Write d"#,
    ];
    write(&folder, "rows.jsonl", rows.join("\n"));
    let texts = ["fn a() -> u8 { 1 }", "Write a function"];
    let json = train_byte_level_bpe(texts, &BpeSettings::new(260, &["<|end|>"]));
    write(&folder, "model/tokenizer.json", json.expect("a vocabulary"));
    write(&folder, "model/tokenizer_config.json", r#"{"eos_token": "<|end|>"}"#);
    folder
}

pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    bare(folder)
        .args(arguments)
        .args(["--set", "dataset.min_length=3", "--set", "dataset.max_bad_fraction=0.5"])
        .output()
        .expect("the program can be started")
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}
