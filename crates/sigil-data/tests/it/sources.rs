//! Reading of tables and folders, and the answers to bad ones.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use parquet::arrow::ArrowWriter;
use proptest::prelude::*;
use sigil_data::{
    Ledger, PathRules, ReadSettings, Reason, Row, RowSplit, SourceError, SourceSpec, Stage,
    read_sources,
};
use tempfile::TempDir;

use arrow::array::{ArrayRef, Float32Array, ListArray, RecordBatch, StringArray, StringViewArray};
use arrow::datatypes::Int32Type;

use crate::fixture::{write, write_in};

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

fn read(folder: &TempDir, spec: &str) -> Result<(Vec<Row>, Ledger), SourceError> {
    read_with(spec, &ReadSettings::new(folder.path()))
}

fn read_with(spec: &str, settings: &ReadSettings) -> Result<(Vec<Row>, Ledger), SourceError> {
    let mut ledger = Ledger::new();
    let rows = read_sources(&[SourceSpec::from(spec)], settings, &mut ledger)?;
    Ok((rows, ledger))
}

/// The message with the temporary folder taken out.
fn failure(folder: &TempDir, spec: &str) -> String {
    let error = read(folder, spec).expect_err("the source is bad");
    error.to_string().replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn json_lines_have_prompts_weights_tasks_and_splits() -> Result<(), SourceError> {
    let folder = folder();
    write_in(
        &folder,
        "data.jsonl",
        concat!(
            "\u{feff}{\"prompt\": \"Write\", \"gen\": \"fn a() {}\", \"_task_type\": \"fix\"}\n",
            "\n",
            "{\"text\": \"plain\", \"prompt\": null, \"weight\": 2.5, \"split\": \"val\"}\r\n",
            "{\"code\": \"c\", \"_source_crate\": \"itoa\", \"extra\": [1, {}]}\n",
            "{\"prompt\": \"p\", \"response\": \"r\", \"content\": \"ignored\"}",
        ),
    );
    let mut settings = ReadSettings::new(folder.path());
    settings.task_weights.insert("fix".to_owned(), 0.5);
    let (rows, ledger) = read_with("data.jsonl", &settings)?;
    assert_eq!(rows[0].prompt.as_deref(), Some("Write"));
    assert_eq!((rows[0].text.as_str(), rows[0].weight), ("fn a() {}", 0.5));
    assert_eq!(rows[0].group.as_ref(), "data.jsonl:1");
    assert_eq!((rows[1].prompt.as_deref(), rows[1].weight), (None, 2.5));
    assert_eq!(rows[1].split, RowSplit::Evaluation);
    assert_eq!(rows[1].origin.to_string(), "data.jsonl:3");
    assert_eq!(rows[2].group.as_ref(), "itoa");
    assert_eq!(rows[3].text, "r");
    assert_eq!(ledger.stage(Stage::Read).kept, 4);
    Ok(())
}

#[test]
fn compressed_and_plain_files_give_the_same_rows() -> Result<(), SourceError> {
    let folder = folder();
    let text = "{\"text\": \"one\"}\n{\"text\": \"two\"}\n";
    write_in(&folder, "a.jsonl", text);
    write_in(&folder, "noname", text);
    write_in(&folder, "b.json", "[{\"text\": \"one\"}, {\"text\": \"two\"}]");
    write_in(&folder, "c.json", text);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(text.as_bytes()).expect("memory can be written");
    write(&folder.path().join("d.jsonl.gz"), &gz.finish().expect("memory can be written"));
    let zst = zstd::encode_all(text.as_bytes(), 3).expect("memory can be read");
    write(&folder.path().join("e.jsonl.zst"), &zst);
    for spec in ["a.jsonl", "b.json", "c.json", "d.jsonl.gz", "e.jsonl.zst", "local:noname"] {
        let (rows, _) = read(&folder, spec)?;
        let texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
        assert_eq!(texts, ["one", "two"], "{spec}");
    }
    let (rows, _) = read(&folder, "*.jsonl*")?;
    assert_eq!(rows.len(), 6);
    Ok(())
}

#[test]
fn a_bomb_stops_at_the_cap() {
    let folder = folder();
    let line = format!("{{\"text\": \"{}\"}}\n", "a".repeat(1000));
    let zst = zstd::encode_all(line.repeat(5000).as_bytes(), 3).expect("memory can be read");
    assert!(zst.len() < 10_000);
    write(&folder.path().join("bomb.jsonl.zst"), &zst);
    let settings =
        ReadSettings { expansion_cap_bytes: 100_000, ..ReadSettings::new(folder.path()) };
    let error = read_with("bomb.jsonl.zst", &settings).expect_err("5 MB pass the cap");
    assert!(matches!(error, SourceError::TooLarge { cap_bytes: 100_000, .. }), "{error}");
}

#[test]
fn bad_lines_are_named_with_file_and_line() {
    let folder = folder();
    for (line, expected) in [
        ("{\"text\": ", "`bad.jsonl` line 2: not valid JSON: EOF while parsing a value"),
        ("[1]", "`bad.jsonl` line 2: not valid JSON: invalid type: sequence, expected a map"),
        ("{\"b\": 1, \"a\": 2}", "`bad.jsonl` row 2: no text was found (fields: a, b)"),
        ("{}", "`bad.jsonl` row 2: no text was found (fields: none)"),
        ("{\"text\": 3}", "`bad.jsonl` row 2: field `text` is a number, not text"),
        ("{\"text\": \"a\", \"weight\": \"x\"}", "field `weight` is not a number up to 1000000"),
        ("{\"text\": \"a\", \"split\": \"odd\"}", "field `split` is `odd`, which is neither"),
        ("{\"prompt\": \"only\"}", "no text was found (fields: prompt)"),
    ] {
        write_in(&folder, "bad.jsonl", &format!("{{\"text\": \"a\"}}\n{line}\n"));
        let message = failure(&folder, "bad.jsonl");
        assert!(message.contains(expected), "{message}");
    }
    write(&folder.path().join("bad.jsonl"), b"{\"text\": \"\xff\"}");
    assert!(failure(&folder, "bad.jsonl").contains("line 1: not valid JSON"));
    write_in(&folder, "bad.json", "[{\"text\": \"a\"},\n 7]");
    assert!(failure(&folder, "bad.json").contains("`bad.json` line 2"));
}

#[test]
fn bad_sources_are_sentences() {
    let folder = folder();
    write_in(&folder, "mixed/a.txt", "a");
    write_in(&folder, "mixed/b.txt", "b");
    write_in(&folder, "mixed/c.py", "c");
    for (spec, expected) in [
        ("absent.jsonl", "the data source `absent.jsonl` does not exist"),
        ("owner/name", "the data source `owner/name` does not exist"),
        ("local:absent", "the data source `local:absent` does not exist"),
        ("none/*.jsonl", "the data source `none/*.jsonl` does not exist"),
        ("a/***", "`a/***` is not a valid pattern"),
        ("mixed", "`mixed` has no file that can be read (found: 1 .py, 2 .txt)"),
        ("mixed/a.txt", "`mixed/a.txt` has no file that can be read (found: 1 .txt)"),
        ("registry:mixed/a.txt", "needs the folder of cargo (CARGO_HOME)"),
    ] {
        let message = failure(&folder, spec);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn limits_and_path_rules_are_counted() -> Result<(), SourceError> {
    let folder = folder();
    let lines: String = ["", "  \\n ", "ab", "abcdef", "äöüß€", "abcdefghijk"]
        .iter()
        .map(|text| format!("{{\"text\": \"{text}\"}}\n"))
        .collect();
    let with_path = "{\"text\": \"abcde\", \"path\": \"tests/a.rs\"}\n";
    let weightless = "{\"text\": \"abcde\", \"weight\": 0}\n";
    write_in(&folder, "a.jsonl", &format!("{lines}{with_path}{weightless}"));
    let settings = ReadSettings {
        min_chars: 3,
        max_chars: 6,
        paths: PathRules { exclude_tests: true, ..PathRules::default() },
        ..ReadSettings::new(folder.path())
    };
    let (rows, ledger) = read_with("a.jsonl", &settings)?;
    assert_eq!(rows.len(), 2);
    for (reason, count) in [
        (Reason::Empty, 2),
        (Reason::TooShort, 1),
        (Reason::TooLong, 1),
        (Reason::TestFile, 1),
        (Reason::ZeroWeight, 1),
    ] {
        assert_eq!(ledger.dropped(Stage::Read, reason.clone()), count, "{reason:?}");
    }
    Ok(())
}

#[test]
fn columns_can_be_mapped() -> Result<(), SourceError> {
    let folder = folder();
    write_in(&folder, "a.jsonl", "{\"question\": \"q\", \"answer\": \"a\", \"text\": \"t\"}\n");
    let mut settings = ReadSettings::new(folder.path());
    settings.columns.prompt = Some("question".to_owned());
    settings.columns.text = Some("answer".to_owned());
    let (rows, _) = read_with("a.jsonl", &settings)?;
    assert_eq!((rows[0].prompt.as_deref(), rows[0].text.as_str()), (Some("q"), "a"));
    settings.columns.text = Some("reply".to_owned());
    let error = read_with("a.jsonl", &settings).expect_err("there is no `reply`").to_string();
    assert!(error.contains("(fields: answer, question, text)"), "{error}");
    Ok(())
}

#[test]
fn folders_of_rust_files_are_grouped_by_crate() -> Result<(), SourceError> {
    let folder = folder();
    write_in(&folder, "work/one/Cargo.toml", "[package]\nname = \"first-crate\"\n");
    write_in(&folder, "work/one/src/deep/lib.rs", "fn one() {}");
    write_in(&folder, "work/two/main.rs", "\u{feff}fn two() {}");
    write_in(&folder, "work/alone.rs", "fn alone() {}");
    write_in(&folder, "work/one/target/debug/out.rs", "fn out() {}");
    write_in(&folder, "work/one/vendor/x.rs", "fn vendored() {}");
    write_in(&folder, "work/README.md", "not Rust");
    write(&folder.path().join("work/two/latin1.rs"), b"// caf\xe9");
    let (rows, ledger) = read(&folder, "work")?;
    let seen: Vec<(&str, &str, &str)> = rows
        .iter()
        .map(|row| (row.origin.file.as_ref(), row.group.as_ref(), row.text.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            ("work/alone.rs", "alone.rs", "fn alone() {}"),
            ("work/one/src/deep/lib.rs", "first-crate", "fn one() {}"),
            ("work/two/main.rs", "two", "fn two() {}"),
        ]
    );
    assert_eq!(ledger.dropped(Stage::Read, Reason::NotUtf8), 1);
    assert_eq!(ledger.dropped(Stage::Read, Reason::VendorPath), 1);
    assert!(ledger.notes()[0].contains("1 folders"), "{:?}", ledger.notes());
    let (rows, ledger) = read(&folder, "work/**/*.rs")?;
    assert_eq!(rows.len(), 3);
    assert_eq!(ledger.dropped(Stage::Read, Reason::VendorPath), 2, "target and vendor");
    Ok(())
}

#[test]
fn licences_of_data_and_crates_reach_the_filter() -> Result<(), SourceError> {
    let folder = folder();
    let lines: String = [
        r#"{"text": "a", "license": "MIT"}"#,
        r#"{"text": "b", "license": "GPL-3.0-only"}"#,
        r#"{"text": "c", "max_stars_repo_licenses": ["GPL-3.0-only", "apache-2.0"]}"#,
        r#"{"text": "d", "license": null}"#,
        r#"{"text": "e", "license": {"key": "mit"}}"#,
    ]
    .join("\n");
    write_in(&folder, "a.jsonl", &lines);
    write_in(&folder, "src/one/Cargo.toml", "[package]\nname = \"one\"\nlicense = \"MIT/X\"\n");
    write_in(&folder, "src/one/lib.rs", "fn one() {}");
    let inherited = "[package]\nname = \"two\"\nlicense.workspace = true\n";
    write_in(&folder, "src/two/Cargo.toml", inherited);
    write_in(&folder, "src/two/lib.rs", "fn two() {}");
    let mut licence = sigil_filter::rules::Licence::default();
    licence.allow = vec!["MIT".to_owned(), "Apache-2.0".to_owned()];
    let mut rules = sigil_filter::RuleSet::none();
    rules.licence = Some(licence);
    let filter = sigil_filter::Filter::new(rules).expect("the rules fit together");
    let mut settings = ReadSettings::new(folder.path());
    settings.filter = sigil_data::sources::FilterStage(Some(filter));
    let texts = |spec: &str| -> Result<Vec<String>, SourceError> {
        Ok(read_with(spec, &settings)?.0.into_iter().map(|row| row.text).collect())
    };
    assert_eq!(texts("a.jsonl")?, ["a", "c"]);
    assert_eq!(texts("src")?, ["fn one() {}"]);
    Ok(())
}

fn parquet_file(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .expect("the columns have one length");
    let file = File::create(path).expect("the file can be made");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("the schema is good");
    writer.write(&batch).expect("the batch can be written");
    writer.close().expect("the file can be closed");
}

fn strings(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn stack_file(path: &Path) {
    parquet_file(
        path,
        vec![
            ("hexsha", strings(&[Some("1"), Some("2"), Some("3")])),
            (
                "content",
                Arc::new(StringViewArray::from(vec!["fn a() {}", "fn b() {}", "fn c() {}"])),
            ),
            ("max_stars_repo_name", strings(&[Some("x/y"), None, Some("x/y")])),
            ("max_stars_repo_path", strings(&[Some("src/a.rs"), Some("tests/b.rs"), None])),
            ("weight", Arc::new(Float32Array::from(vec![Some(1.5), None, Some(3.0)]))),
            ("split", strings(&[Some("train"), None, Some("validation")])),
        ],
    );
}

#[test]
fn parquet_columns_are_found_by_name() -> Result<(), SourceError> {
    let folder = folder();
    stack_file(&folder.path().join("a.parquet"));
    let settings = ReadSettings {
        paths: PathRules { exclude_tests: true, ..PathRules::default() },
        ..ReadSettings::new(folder.path())
    };
    let (rows, ledger) = read_with("a.parquet", &settings)?;
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].text.as_str(), rows[0].weight), ("fn a() {}", 1.5));
    assert_eq!(rows[0].group.as_ref(), "x/y");
    assert_eq!((rows[1].split, rows[1].origin.row), (RowSplit::Evaluation, 3));
    assert_eq!(ledger.dropped(Stage::Read, Reason::TestFile), 1);
    for spec in [".", "parquet:.", "parquet:a.parquet", "*.parquet"] {
        assert_eq!(read(&folder, spec)?.0.len(), 3, "{spec}");
    }
    Ok(())
}

#[test]
fn parquet_without_text_names_all_its_columns() {
    let folder = folder();
    let list: ArrayRef =
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1)])]));
    let path = folder.path().join("a.parquet");
    parquet_file(&path, vec![("body", strings(&[Some("x")])), ("answer", strings(&[None]))]);
    assert!(failure(&folder, "a.parquet").contains("(fields: answer, body)"));
    parquet_file(&path, vec![("text", list)]);
    assert!(failure(&folder, "a.parquet").contains("field `text` is a list, not text"));
    write(&path, b"PAR1 but nothing else PAR1");
    assert!(failure(&folder, "a.parquet").contains("`a.parquet` is not a readable parquet file"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn foreign_json_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let folder = folder();
        for name in ["a.jsonl", "a.json", "a.jsonl.gz", "a.jsonl.zst", "a.parquet"] {
            write(&folder.path().join(name), &bytes);
            drop(read(&folder, name));
        }
    }

    #[test]
    fn json_like_lines_never_panic(
        lines in prop::collection::vec(
            r#"\{("(text|prompt|gen|weight|split|code|path)": ?("[a-z\\u0-9]{0,6}"|[0-9e.-]{1,6}|null|\[\]),? ?){0,4}\}?"#,
            0..6,
        ),
    ) {
        let folder = folder();
        write_in(&folder, "a.jsonl", &lines.join("\n"));
        write_in(&folder, "a.json", &format!("[{}]", lines.join(",")));
        drop(read(&folder, "a.jsonl"));
        drop(read(&folder, "a.json"));
    }

    #[test]
    fn damaged_parquet_is_an_answer(
        changes in prop::collection::vec((0_usize..1 << 20, any::<u8>()), 1..4), cut in 0_usize..4,
    ) {
        let folder = folder();
        let path = folder.path().join("a.parquet");
        stack_file(&path);
        let mut bytes = std::fs::read(&path).expect("the file was written");
        for (position, value) in changes {
            let length = bytes.len();
            bytes[position % length] = value;
        }
        bytes.truncate(bytes.len() - cut);
        write(&path, &bytes);
        if let Ok((rows, _)) = read(&folder, "a.parquet") {
            prop_assert!(rows.iter().all(|row| !row.text.is_empty()));
        }
    }
}
