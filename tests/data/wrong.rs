//! Wrong datasets, and what each gets: an exit code, a sentence with the place, and a way out.
//!
//! The guide has a table of them (docs/guides/data.md), which this file holds to what is printed.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use tempfile::TempDir;

use crate::fake_hub::{FakeHub, Fault};
use crate::program::{bare, err, folder, write};

/// Runs the program and checks exit code and words; the last of them stand in the guide's table.
#[track_caller]
fn refused(
    folder: &TempDir,
    endpoint: Option<&str>,
    arguments: &[&str],
    code: i32,
    words: &[&str],
) {
    let mut command = bare(folder.path());
    command.args(arguments).args(["--set", "dataset.min_length=3"]);
    if let Some(endpoint) = endpoint {
        command.env("HF_ENDPOINT", endpoint);
    }
    let output = command.output().expect("the program can be started");
    let message = err(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {message}");
    assert!(output.stdout.is_empty(), "{arguments:?}: nothing is taken from wrong data");
    assert!(message.starts_with("error: ") && !message.contains("panicked"), "{message}");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides/data.md");
    let guide = std::fs::read_to_string(page).expect("the guide is there");
    for word in words {
        assert!(message.contains(word), "{arguments:?}: no `{word}` in: {message}");
        assert!(guide.contains(word), "`{word}` is not in the guide's table");
    }
}

/// That wrong data comes with advice.
#[track_caller]
fn advised(folder: &TempDir, arguments: &[&str], advice: &str) {
    let output = bare(folder.path()).args(arguments).output().expect("the program can be started");
    let message = err(&output);
    assert!(message.contains("hint: ") && message.contains(advice), "{arguments:?}: {message}");
}

fn gz(text: &str) -> Vec<u8> {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(text.as_bytes()).expect("memory can be written");
    gz.finish().expect("memory can be written")
}

/// Many different rows: what compresses little and has several row groups.
fn rows(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("fn f_{index}() -> u64 {{ {} }}", index * 7919 % 1013)).collect()
}

fn json_lines(rows: &[String]) -> String {
    rows.iter().map(|row| format!("{{\"text\": \"{row}\"}}\n")).collect()
}

#[test]
fn columns_that_fit_nothing() {
    let folder = folder();
    write(&folder, "odd.jsonl", "{\"body\": \"fn a() {}\", \"stars\": 3}\n");
    let words = ["row 1: no text was found (fields: body, stars)", "mapped under dataset.columns"];
    refused(&folder, None, &["filter", "odd.jsonl"], 4, &words);
}

#[test]
fn a_compressed_file_that_was_cut() {
    let folder = folder();
    let mut bytes = gz(&json_lines(&rows(2000)));
    bytes.truncate(bytes.len() / 2);
    write(&folder, "cut.jsonl.gz", bytes);
    // The rows before the cut are written as they come; the program still fails.
    let out = ["filter", "cut.jsonl.gz", "-o", "kept.jsonl"];
    refused(&folder, None, &out, 4, &["cut.jsonl.gz`: incomplete deflate stream"]);
}

#[test]
fn a_file_that_expands_without_end() {
    let folder = folder();
    let bomb = zstd::encode_all(json_lines(&rows(1)).repeat(100_000).as_bytes(), 3);
    let bomb = bomb.expect("memory can be written");
    assert!(bomb.len() < 2000, "{} bytes", bomb.len());
    write(&folder, "bomb.jsonl.zst", bomb);
    let cap = ["--set", "dataset.max_expanded_bytes=1000000"];
    let arguments = [&["filter", "bomb.jsonl.zst", "-o", "kept.jsonl"][..], &cap].concat();
    let words =
        ["bomb.jsonl.zst` expands to more than 1000000 bytes", "dataset.max_expanded_bytes"];
    refused(&folder, None, &arguments, 4, &words);
}

#[test]
fn bytes_that_are_not_text_and_lines_that_are_not_json() {
    let folder = folder();
    write(&folder, "latin1.jsonl", b"{\"text\": \"caf\xe9\"}\n");
    let words = ["latin1.jsonl` line 1: not valid JSON: invalid unicode code point at byte"];
    refused(&folder, None, &["filter", "latin1.jsonl"], 4, &words);
    write(&folder, "torn.jsonl", "{\"text\": \"fn a() {}\"}\n{\"text\": \"fn b()\n");
    let words = [
        "1 of the first 2 rows of `torn.jsonl` are unreadable",
        "torn.jsonl` line 2: not valid JSON",
    ];
    refused(&folder, None, &["filter", "torn.jsonl", "-o", "kept.jsonl"], 4, &words);
}

#[test]
fn a_parquet_file_with_a_broken_row_group() {
    let folder = folder();
    let column: ArrayRef = Arc::new(StringArray::from(rows(3000)));
    let batch = RecordBatch::try_from_iter([("text", column)]).expect("one column");
    let settings = WriterProperties::builder().set_max_row_group_row_count(Some(1000)).build();
    let mut bytes = Vec::new();
    let mut writer =
        ArrowWriter::try_new(&mut bytes, batch.schema(), Some(settings)).expect("a schema");
    writer.write(&batch).expect("memory can be written");
    writer.close().expect("memory can be written");
    // Noise in the middle: the footer still promises three whole groups.
    let (start, end) = (bytes.len() / 2, bytes.len() / 2 + bytes.len() / 8);
    bytes[start..end].fill(0xff);
    write(&folder, "noise.parquet", &bytes);
    let arguments = ["filter", "noise.parquet", "-o", "kept.jsonl"];
    refused(&folder, None, &arguments, 4, &["noise.parquet` is not a readable parquet file"]);
    write(&folder, "cut.parquet", &bytes[..start]);
    let words = ["cut.parquet` is not a readable parquet file"];
    refused(&folder, None, &["filter", "cut.parquet"], 4, &words);
    advised(&folder, &["filter", "cut.parquet"], "fetch or write it again");
}

#[test]
fn a_hub_that_refuses() {
    let folder = folder();
    let files = [("train.jsonl", json_lines(&rows(3)).into_bytes())];
    for (status, word) in [
        (401, "it needs a valid token (401)"),
        (403, "this token has no access to it (403)"),
        (404, "the hub has no `owner/data` at revision `main` (404)"),
        (429, "the hub asks to slow down (429)"),
        (503, "the hub answered 503"),
    ] {
        let hub = FakeHub::start("owner/data", &files, Fault::Status(status));
        refused(&folder, Some(&hub.endpoint()), &["filter", "owner/data"], 4, &[word]);
    }
    let hub = FakeHub::start("owner/data", &files, Fault::Wrong);
    let words = ["is damaged: SHA-256"];
    refused(&folder, Some(&hub.endpoint()), &["filter", "owner/data"], 4, &words);
    let offline = ["filter", "owner/data", "--set", "hub.offline=true"];
    refused(
        &folder,
        None,
        &offline,
        4,
        &["offline, and `owner/data` at `main` is not in the cache"],
    );
}

#[test]
fn a_split_that_is_not_there() {
    let folder = folder();
    let files = [("data/test.jsonl", json_lines(&rows(3)).into_bytes())];
    let hub = FakeHub::start("owner/data", &files, Fault::None);
    let words = [
        "`owner/data` has no file of the split `train` (files: data/test.jsonl)",
        "set dataset.split",
    ];
    refused(&folder, Some(&hub.endpoint()), &["filter", "owner/data"], 4, &words);
}

#[test]
fn data_without_a_row() {
    let folder = folder();
    write(&folder, "empty.jsonl", "\n\n");
    refused(&folder, None, &["filter", "empty.jsonl"], 4, &["no row is left to train on"]);
    write(&folder, "short.jsonl", "{\"text\": \"a\"}\n{\"text\": \"b\"}\n");
    let words = ["no row is left to train on", "2 too short"];
    refused(&folder, None, &["stats", "short.jsonl"], 4, &words);
}

#[test]
fn templates_that_fail_or_teach_no_end() {
    let folder = folder();
    let turns = r#"[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]"#;
    write(&folder, "chat.jsonl", format!("{{\"messages\": {turns}}}\n"));
    let tokenizer = std::fs::read(folder.path().join("model/tokenizer.json")).expect("it is there");
    for (name, template, word) in [
        ("raising", "{{ raise_exception('only tools') }}", "only tools"),
        ("broken", "{% for m in %}", "chat template is not valid"),
        (
            "endless",
            "{% for m in messages %}{{ m.content }}\\n{% endfor %}end",
            "never learn to stop",
        ),
    ] {
        write(&folder, &format!("{name}/tokenizer.json"), &tokenizer);
        let config = format!(r#"{{"eos_token": "<|end|>", "chat_template": "{template}"}}"#);
        write(&folder, &format!("{name}/tokenizer_config.json"), config);
        let arguments = ["preview", "chat.jsonl", "--tokenizer", name];
        refused(&folder, None, &arguments, 5, &[word]);
    }
}
