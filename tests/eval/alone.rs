//! The program by itself: what it writes, and with which code it ends.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::sync::mpsc::channel;

use serde_json::Value;

use crate::programs::{Running, err, out, run, sigil_eval};

const TASKS: &str = r##"{"task_id":"double","prompt":"fn double(x: i32) -> i32 {\n","entry_point":"double","canonical_solution":"    x * 2\n}\n","test":"#[cfg(test)] mod tests { use super::*; #[test] fn one() { assert_eq!(double(1), 2); } #[test] fn big() { assert_eq!(double(500), 1000); } }"}
{"task_id":"broken","prompt":"fn broken() -> i32 {\n","entry_point":"broken","canonical_solution":"    1\n}\n","test":"#[cfg(test)] mod tests { use super::*; #[test] fn one() { assert_eq!(broken(), 2); } }"}
"##;

const SAMPLES: &str = r#"{"task_id":"double","completion":"    x + x\n}\n"}
{"task_id":"double","completion":"    x + 1\n}\n"}
{"task_id":"double","completion":"    <script>alert(1)</script>\n}\n"}
{"task_id":"double","completion":"    if x {"}
{"task_id":"broken","completion":"    2\n}\n"}
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    std::fs::write(folder.path().join("tasks.jsonl"), TASKS).expect("a file can be written");
    std::fs::write(folder.path().join("samples.jsonl"), SAMPLES).expect("a file can be written");
    folder
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn an_evaluation_writes_its_files_and_ends_with_the_code_of_the_table() {
    let folder = folder();
    let folder = folder.path();
    let arguments = [
        "samples.jsonl",
        "--tasks",
        "tasks.jsonl",
        "--out",
        "out",
        "--html",
        "page.html",
        "--json",
        "--allow-reduced",
        "--cache",
        "cache",
    ];
    let output = run(folder, &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    // The task whose own solution fails is left out, and said so.
    assert!(err(&output).contains("1 tasks are left out"), "{}", err(&output));
    let metrics: Value = serde_json::from_str(&out(&output)).expect("stdout is JSON");
    assert_eq!(metrics["evaluated_samples"], 4);
    assert_eq!(metrics["rates"]["pass_rate"]["value"], 0.25);
    assert_eq!(metrics["verdicts"]["refused"], 1);
    let before = read(folder, "out/results.jsonl");
    assert_eq!(before.lines().count(), 4);
    let written: Value = serde_json::from_str(&read(folder, "out/metrics.json")).expect("JSON");
    assert_eq!(written, metrics);
    assert!(read(folder, "out/report.md").contains("| pass_rate | 25.0 % |"));
    let html = read(folder, "page.html");
    assert!(html.contains("&lt;script&gt;") && !html.contains("<script"), "{html}");
    assert!(html.contains("1 of 2 tests pass; not tests::big"), "{html}");

    // Everything is known now: the same bytes, and no process of a sample.
    let output = run(folder, &[&arguments[..], &["--min-pass", "0.5"]].concat());
    assert_eq!(output.status.code(), Some(9), "{}", err(&output));
    assert!(err(&output).contains("pass_rate is 0.2500"), "{}", err(&output));
    assert_eq!(read(folder, "out/results.jsonl"), before);
    let measured = read(folder, "out/measurements.jsonl");
    assert!(measured.lines().all(|line| line.contains("\"stages\":[]")), "{measured}");

    let results = "out/results.jsonl";
    let compared = run(folder, &["compare", results, results, "--json", "--html", "page.html"]);
    assert_eq!(compared.status.code(), Some(0), "{}", err(&compared));
    let comparison: Value = serde_json::from_str(&out(&compared)).expect("stdout is JSON");
    assert_eq!(comparison["pass_rate"]["value"], 0.0);
    assert!(read(folder, "page.html").contains("<h1>Comparison</h1>"));
}

#[test]
fn failures_are_sentences_with_their_codes() {
    let folder = folder();
    let folder = folder.path();
    std::fs::write(folder.join("bad.jsonl"), "{\"task_id\":\"a\"}\n")
        .expect("a file can be written");
    std::fs::write(folder.join("other.jsonl"), "{\"task_id\":\"a\",\"completion\":\"\"}\n")
        .expect("a file can be written");
    for (arguments, code, sentence) in [
        ("--no-such-flag", 2, "unexpected argument"),
        ("absent.jsonl", 1, "cannot read"),
        ("bad.jsonl", 4, "line 1: no text `completion` or `gen`"),
        ("other.jsonl --tasks tasks.jsonl --allow-reduced", 4, "is for task `a`"),
        ("samples.jsonl --tasks samples.jsonl", 4, "no text `prompt`"),
        ("samples.jsonl --sysroot .", 5, "has no bin/rustc"),
        ("samples.jsonl --deps nothing", 5, "dependency set"),
        ("samples.jsonl --tasks tasks.jsonl --k 9 --allow-reduced", 4, "pass@9 needs at least 9"),
        ("check tasks.jsonl --allow-reduced", 10, ""),
        ("samples.jsonl --sandbox none", 2, "native, bubblewrap"),
        ("samples.jsonl --sandbox reduced", 8, "reduced"),
        ("samples.jsonl --sandbox native --queue nats://127.0.0.1:1", 2, "workers of a queue"),
    ] {
        let output = run(folder, &arguments.split(' ').collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(code), "{arguments}: {}", err(&output));
        assert!(err(&output).contains(sentence), "{arguments}: {}", err(&output));
    }
}

#[test]
fn a_check_names_failing_tasks_and_mutants_that_pass() {
    let folder = folder();
    let folder = folder.path();
    let arguments =
        ["check", "tasks.jsonl", "--mutants", "--json", "--allow-reduced", "--html", "page.html"];
    let output = run(folder, &arguments);
    assert_eq!(output.status.code(), Some(10), "{}", err(&output));
    let check: Value = serde_json::from_str(&out(&output)).expect("stdout is JSON");
    assert_eq!((&check["passing"], &check["failing"][0]["task_id"]), (&1.into(), &"broken".into()));
    // The operator, the constant and an early return, of the one sound task.
    assert_eq!(check["mutants"]["judged"], 3);
    assert_eq!(check["mutants"]["survivors"], Value::Array(Vec::new()));
    assert!(read(folder, "page.html").contains("Mutants by kind"));
}

#[test]
fn an_interrupted_evaluation_saves_and_goes_on_where_it_stopped() {
    let folder = folder();
    let folder = folder.path();
    let rows: String = (0..400)
        .map(|i| {
            format!("{{\"task_id\":\"t{i}\",\"completion\":\"pub fn f() -> u32 {{ {i} }}\"}}\n")
        })
        .collect();
    std::fs::write(folder.join("many.jsonl"), rows).expect("a file can be written");
    let arguments = ["many.jsonl", "--out", "out", "--cache", "cache", "--allow-reduced"];
    let (sender, lines) = channel();
    let mut command = sigil_eval(folder, &arguments);
    // As in a shell: Ctrl-C reaches all that was started there, compilers included.
    command.process_group(0);
    let mut running = Running::start(command, 0, &sender);
    drop(sender);
    let first = lines.iter().find(|(_, line)| line.starts_with("judging: "));
    assert!(first.is_some(), "it ended before it began");
    running.interrupt_all();
    let rest: Vec<String> = lines.iter().map(|(_, line)| line).collect();
    assert_eq!(running.wait(), Some(130), "{rest:?}");
    let said = |text: &str| rest.iter().any(|line| line.contains(text));
    assert!(said(" of 400 are judged") && said("the same command goes on"), "{rest:?}");
    let partial = read(folder, "out/results.partial.jsonl");
    assert!(partial.lines().all(|line| line.contains("\"kind\":\"compiled\"")), "{partial}");
    let judged = partial.lines().count();
    assert!((1..400).contains(&judged), "{judged}");
    let summary = run(folder, &["cache", "cache", "--json"]);
    let summary: Value = serde_json::from_str(&out(&summary)).expect("stdout is JSON");
    let kept = summary["results"]["sample"].as_u64().expect("there are results");
    assert!(kept >= judged as u64, "{kept} of {judged}");
}
