//! A task as it travels. Next: `job.rs`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::task::Task;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireTask {
    pub(super) id: String,
    prompt: String,
    entry_point: String,
    canonical_solution: String,
    test: String,
    pub(super) edition: String,
    stop_tokens: Vec<String>,
    externs: BTreeMap<String, String>,
    project: Option<String>,
}

impl From<&Task> for WireTask {
    fn from(task: &Task) -> Self {
        Self {
            id: task.id.clone(),
            prompt: task.prompt.clone(),
            entry_point: task.entry_point.clone(),
            canonical_solution: task.canonical_solution.clone(),
            test: task.test.clone(),
            edition: task.edition.clone(),
            stop_tokens: task.stop_tokens.clone(),
            externs: task.externs.clone(),
            project: task.project.clone(),
        }
    }
}

impl From<WireTask> for Task {
    fn from(task: WireTask) -> Self {
        Self {
            id: task.id,
            prompt: task.prompt,
            entry_point: task.entry_point,
            canonical_solution: task.canonical_solution,
            test: task.test,
            edition: task.edition,
            stop_tokens: task.stop_tokens,
            externs: task.externs,
            project: task.project,
        }
    }
}
