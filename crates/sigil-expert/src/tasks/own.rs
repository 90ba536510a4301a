//! Tasks of the user's own, from files in HumanEval's layout, instead of those made here.
//!
//! Nothing is known of what they are made of, so each one is a composition of its own. Which files there
//! are is said by the settings; which tasks a round asks is decided in `rounds/pool.rs`.

use std::path::Path;

use sigil_eval::task::{Task, read_benchmark};

use super::composition::Split;
use super::sets::TaskSet;
use super::write::MadeTask;
use crate::ExpertError;

/// Reads tasks of one side.
///
/// # Errors
/// A file that cannot be read, a row that is no task, a layout that rounds cannot ask (one of whole
/// projects, or with texts that end an answer), a task without what `tested` asks for.
pub fn read_tasks(path: &Path, split: Split, tested: bool) -> Result<TaskSet, ExpertError> {
    let (_, tasks) = read_benchmark(path)?;
    let wrong = |problem: String| ExpertError::Tasks { path: path.to_owned(), problem };
    if tasks.is_empty() {
        return Err(wrong("holds no task".to_owned()));
    }
    tasks
        .into_iter()
        .map(|task| {
            let problem = problem(&task, tested);
            match problem {
                Some(problem) => Err(wrong(format!("task `{}`: {problem}", task.id))),
                None => Ok(made(task, split)),
            }
        })
        .collect()
}

fn problem(task: &Task, tested: bool) -> Option<&'static str> {
    if task.project.is_some() {
        Some("a Cargo project cannot be asked in rounds")
    } else if !task.stop_tokens.is_empty() || !task.externs.is_empty() {
        Some("rounds read HumanEval's layout: task_id, prompt, test, entry_point")
    } else if task.prompt.trim().is_empty() {
        Some("its prompt is empty")
    } else if tested && task.test.trim().is_empty() {
        Some("it has no test, so no sample of it can pass")
    } else {
        None
    }
}

fn made(task: Task, split: Split) -> MadeTask {
    MadeTask {
        composition: task.id.clone(),
        task_id: task.id,
        pairs: Vec::new(),
        split,
        prompt: task.prompt,
        entry_point: task.entry_point,
        canonical_solution: task.canonical_solution,
        test: task.test,
        edition: task.edition,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, tested: bool) -> Result<TaskSet, String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("tasks.jsonl");
        std::fs::write(&path, text).expect("written");
        read_tasks(&path, Split::Practice, tested).map_err(|error| error.to_string())
    }

    #[test]
    fn tasks_of_ones_own_are_read() {
        let row = r#"{"task_id":"a","prompt":"/// One.\nfn one() -> u8 {","test":"","entry_point":"one"}"#;
        let tasks = read(row, false).expect("it is well formed");
        assert_eq!((tasks[0].composition.as_str(), tasks[0].edition.as_str()), ("a", "2021"));
        assert_eq!(tasks[0].split, Split::Practice);
    }

    #[test]
    fn what_cannot_be_asked_is_told_with_its_name() {
        let of = |row: &str| read(row, true).expect_err("it is wrong");
        for (row, wanted) in [
            ("", "holds no task"),
            ("{\"task_id\": \"a\"", "line 1: not a JSON object"),
            (r#"{"task_id":"a","prompt":"fn f() {"}"#, "line 1: no text `test`"),
            (r#"{"task_id":"a","prompt":"fn f() {","test":" "}"#, "task `a`: it has no test"),
            (r#"{"task_id":"a","prompt":"","test":"t"}"#, "task `a`: its prompt is empty"),
            (
                r#"{"name":"b","prompt":"fn f() {","tests":"t","stop_tokens":["\n}"]}"#,
                "task `b`: rounds read HumanEval's layout",
            ),
        ] {
            let error = of(row);
            assert!(error.contains(wanted), "{row}: {error}");
        }
        let twice = r#"{"task_id":"a","prompt":"fn f() {","test":"t"}"#;
        assert!(of(&format!("{twice}\n{twice}")).contains('a'));
    }
}
