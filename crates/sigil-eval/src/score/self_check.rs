//! What judging a benchmark's own solutions, their repairs and their mutants said.
//!
//! Survivors, the mutants that pass, are each held against a list that a person wrote: a change that
//! means the same, or a test that is too weak to see it. One that is on no list is news. The judging
//! itself is elsewhere; this adds up. Next: `self_check_text.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::results::read_results;
use crate::EvalError;
use crate::judge::{ErrorClass, SampleResult, Verdict};
use crate::task::{HarnessKind, Mutant, Repaired, Task, harness};

/// What a benchmark's own solutions say of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelfCheck {
    /// The benchmark's file name.
    pub benchmark: String,
    /// Its tasks.
    pub tasks: usize,
    /// Tasks whose own solution passes.
    pub passing: usize,
    /// Of these, tasks whose tests run inside the sample's crate.
    pub forgeable: BTreeSet<String>,
    /// Tasks without tests that can be found, whose solution compiles.
    pub without_tests: BTreeSet<String>,
    /// Tasks whose tests are a module, and tasks whose tests are a `main`.
    pub harness_kinds: BTreeMap<String, usize>,
    /// All other tasks.
    pub failing: Vec<FailingTask>,
    /// What repairing tasks whose pieces do not join came to; a set of its own.
    pub repaired: Vec<RepairedTask>,
    /// The mutants, if they were judged.
    pub mutants: Option<MutantTable>,
}

/// A task whose own solution does not pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailingTask {
    /// Its name.
    pub task_id: String,
    /// How its solution fared.
    pub verdict: String,
    /// The class of the first error.
    pub class: Option<ErrorClass>,
    /// Names of failed tests.
    pub failed: Vec<String>,
}

/// A repaired task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairedTask {
    /// Its name, with `#repaired` behind it.
    pub task_id: String,
    /// What was wrong, as clauses.
    pub faults: Vec<String>,
    /// How its solution fares now.
    pub verdict: String,
}

/// The mutants' verdicts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MutantTable {
    /// How many were judged.
    pub judged: usize,
    /// Tasks that have mutants.
    pub tasks: usize,
    /// The fewest that a task has.
    pub fewest_per_task: usize,
    /// Kind of change, verdict, count.
    pub by_kind: BTreeMap<String, BTreeMap<String, usize>>,
    /// Those that pass, in the order of the tasks.
    pub survivors: Vec<Survivor>,
    /// Survivors of the list that did not survive, or are no longer made.
    pub gone: Vec<KnownSurvivor>,
}

/// A mutant that passes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survivor {
    /// Its task.
    pub task_id: String,
    /// What was changed: kind, place and text.
    pub mutant: String,
    /// What the list says of it; `None` if it is news.
    pub known: Option<SurvivorClass>,
}

/// Why a mutant passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SurvivorClass {
    /// It means the same as the solution: no test could tell it.
    Equivalent,
    /// It is wrong, and no test of the benchmark says so.
    WeakTest,
}

/// A line of the list of survivors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownSurvivor {
    /// The task.
    pub task_id: String,
    /// The change, as [`Survivor::mutant`].
    pub mutant: String,
    /// Why it passes.
    pub class: SurvivorClass,
    /// The reason, in a sentence.
    pub reason: String,
}

/// Reads a list of survivors: JSON, one a line.
///
/// # Errors
/// If the file cannot be read or a line is no survivor.
pub fn read_survivors(path: &Path) -> Result<Vec<KnownSurvivor>, EvalError> {
    read_results(path)
}

/// What a mutant changes, as one line.
pub fn mutant_name(mutant: &Mutant) -> String {
    format!("{} at {}: {}", mutant.kind, mutant.at, mutant.change)
}

impl SelfCheck {
    /// What the results of the tasks' own solutions say, `judged` in the order of `tasks`, and of the
    /// repaired tasks' solutions.
    pub fn of(
        benchmark: &str,
        tasks: &[Task],
        judged: &[SampleResult],
        repaired: &[(Repaired, SampleResult)],
    ) -> Self {
        let mut check = Self {
            benchmark: benchmark.to_owned(),
            tasks: judged.len(),
            passing: 0,
            forgeable: BTreeSet::new(),
            without_tests: BTreeSet::new(),
            harness_kinds: BTreeMap::new(),
            failing: Vec::new(),
            repaired: Vec::new(),
            mutants: None,
        };
        for task in tasks {
            let name = match harness(task).map(|harness| harness.kind) {
                Some(HarnessKind::Module) => "module",
                Some(HarnessKind::Main) => "main",
                None => "none",
            };
            *check.harness_kinds.entry(name.to_owned()).or_default() += 1;
        }
        for result in judged {
            match &result.verdict {
                Verdict::Pass { forgeable } => {
                    check.passing += 1;
                    if *forgeable {
                        check.forgeable.insert(result.task_id.clone());
                    }
                }
                Verdict::Compiled => {
                    check.without_tests.insert(result.task_id.clone());
                }
                verdict => check.failing.push(FailingTask {
                    task_id: result.task_id.clone(),
                    verdict: verdict.name(),
                    class: result.errors.class,
                    failed: result.tests.as_ref().map(|t| t.failed.clone()).unwrap_or_default(),
                }),
            }
        }
        check.repaired = repaired
            .iter()
            .map(|(repaired, result)| RepairedTask {
                task_id: repaired.task.id.clone(),
                faults: repaired.faults.iter().map(|fault| (*fault).to_owned()).collect(),
                verdict: result.verdict.name(),
            })
            .collect();
        check
    }

    /// Tasks by which samples should not be judged: those whose own solution does not pass.
    pub fn excluded(&self) -> BTreeSet<String> {
        let failing = self.failing.iter().map(|failing| failing.task_id.clone());
        failing.chain(self.without_tests.iter().cloned()).collect()
    }

    /// Whether nothing is new: every solution passes or is without tests, and every survivor is listed.
    pub fn is_clean(&self) -> bool {
        let listed = |table: &MutantTable| table.survivors.iter().all(|s| s.known.is_some());
        self.failing.is_empty() && self.mutants.as_ref().is_none_or(listed)
    }
}

impl MutantTable {
    /// The table of mutants with their results, held against a list.
    pub fn of(judged: &[(Mutant, SampleResult)], list: &[KnownSurvivor]) -> Self {
        let mut per_task = BTreeMap::<&str, usize>::new();
        let mut by_kind = BTreeMap::<String, BTreeMap<String, usize>>::new();
        let mut survivors = Vec::new();
        let mut seen = BTreeSet::new();
        for (mutant, result) in judged {
            *per_task.entry(&result.task_id).or_default() += 1;
            let kind = by_kind.entry(mutant.kind.to_owned()).or_default();
            *kind.entry(result.verdict.name()).or_default() += 1;
            if result.verdict.passed() {
                let name = mutant_name(mutant);
                let same = |known: &&KnownSurvivor| {
                    known.task_id == result.task_id && known.mutant == name
                };
                let known = list.iter().find(same).map(|known| known.class);
                seen.insert((result.task_id.clone(), name.clone()));
                survivors.push(Survivor { task_id: result.task_id.clone(), mutant: name, known });
            }
        }
        let gone =
            |known: &&KnownSurvivor| !seen.contains(&(known.task_id.clone(), known.mutant.clone()));
        Self {
            judged: judged.len(),
            tasks: per_task.len(),
            fewest_per_task: per_task.values().copied().min().unwrap_or(0),
            by_kind,
            survivors,
            gone: list.iter().filter(gone).cloned().collect(),
        }
    }

    /// Survivors by what the list says of them.
    pub fn survivors_of(&self, class: Option<SurvivorClass>) -> usize {
        self.survivors.iter().filter(|survivor| survivor.known == class).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_list_of_survivors_is_one() -> Result<(), EvalError> {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/benchmarks/humaneval-x-survivors.jsonl"
        );
        let list = read_survivors(Path::new(path))?;
        let names: BTreeSet<_> = list.iter().map(|one| (&one.task_id, &one.mutant)).collect();
        assert_eq!(names.len(), list.len());
        assert!(list.iter().all(|one| one.reason.ends_with('.')));
        let weak = list.iter().filter(|one| one.class == SurvivorClass::WeakTest).count();
        assert!(weak > 0 && weak < list.len());
        Ok(())
    }
}
