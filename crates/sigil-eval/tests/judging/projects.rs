//! Tasks that are Cargo projects.

use std::path::{Path, PathBuf};

use sigil_eval::judge::Verdict;
use sigil_eval::task::{Task, read_benchmark, read_solutions};

use super::bench::{judge, sample};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/eval/projects")
}

fn tasks() -> Vec<Task> {
    read_benchmark(&folder()).expect("the fixture is well formed").1
}

fn verdict(task: &Task, text: &str) -> Verdict {
    let judged = judge().judge(&sample(&task.id, text), Some(task), "2021");
    let (result, _) = judged.expect("the sandbox works");
    assert!(result.compiled, "{}", result.message);
    result.verdict
}

#[test]
fn own_solutions_pass_and_are_marked_as_forgeable() {
    let names: Vec<_> =
        tasks().iter().map(|task| (task.id.clone(), task.edition.clone())).collect();
    assert_eq!(names, [("leap-year".into(), "2021".into()), ("stack".into(), "2024".to_owned())]);
    for task in tasks() {
        let verdict = verdict(&task, &task.canonical_solution);
        assert_eq!(verdict, Verdict::Pass { forgeable: true }, "{}", task.id);
    }
}

#[test]
fn given_solutions_are_tested_also_by_ignored_tests() {
    let solutions = read_solutions(&folder()).expect("the fixture is well formed");
    let of =
        |name: &str| solutions.iter().find(|sample| sample.task_id == name).expect("it is there");
    let tasks = tasks();
    assert_eq!(
        verdict(&tasks[0], &of("leap-year").text),
        Verdict::TestFail { passed: 0, total: 3 }
    );
    assert_eq!(verdict(&tasks[1], &of("stack").text), Verdict::Pass { forgeable: true });
    // Only the tests that cargo would skip see this mistake.
    let wrong = "pub fn is_leap(year: u32) -> bool { year % 4 == 0 }";
    assert_eq!(verdict(&tasks[0], wrong), Verdict::TestFail { passed: 2, total: 3 });
}
