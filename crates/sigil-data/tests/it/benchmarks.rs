//! Planted copies of benchmark tasks are found, and ordinary files are not.

use std::path::Path;

use sigil_data::decontaminate::{BenchmarkIndex, Task, read_tasks};

use crate::disguises;
use crate::fixture::rust_texts;

fn tasks() -> Vec<Task> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/benchmarks"));
    ["humaneval-x-rust/humaneval_rust.jsonl", "humaneval-rust/HumanEval_rust.jsonl"]
        .iter()
        .flat_map(|name| read_tasks(&folder.join(name)).expect("the benchmark is there"))
        .collect()
}

#[test]
fn copies_are_caught_however_they_are_dressed() {
    let tasks = tasks();
    assert_eq!(tasks.len(), 344);
    let index = BenchmarkIndex::new(&tasks);
    let around = rust_texts(3).join("\n");
    let mut missed = Vec::new();
    for (kind, dress) in disguises::ALL {
        let missing = tasks.iter().filter(|task| {
            let planted = format!("{around}\n{}\n{around}", dress(&task.code));
            index.find(&planted).is_none()
        });
        missed.push((kind, missing.map(|task| task.id.as_str()).collect::<Vec<_>>()));
    }
    // Renamed, `fn f(n: i32) -> i32 { n * n }` and its like have nothing left that only they have.
    for (kind, tasks) in &missed {
        let tolerated = if *kind == "renamed" { 2 } else { 0 };
        assert!(tasks.len() <= tolerated, "{kind}: {missed:?}");
    }
}

#[test]
fn ordinary_code_holds_no_task() {
    let index = BenchmarkIndex::new(&tasks());
    for text in rust_texts(60) {
        assert_eq!(index.find(&text), None);
    }
    assert_eq!(index.find(""), None);
    assert_eq!(BenchmarkIndex::default().find("fn main() {}"), None);
}
