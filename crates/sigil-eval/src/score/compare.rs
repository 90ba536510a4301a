//! Compares two evaluations of the same tasks: paired by task, with intervals, and which tasks flipped.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::pass_at_k::Estimate;
use crate::EvalError;
use crate::judge::{SampleResult, Verdict};

/// What changed between two evaluations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Tasks that both have.
    pub tasks: usize,
    /// Tasks that only the first has.
    pub only_before: BTreeSet<String>,
    /// Tasks that only the second has.
    pub only_after: BTreeSet<String>,
    /// The change of the share of samples that compile; paired, after minus before.
    pub compile_rate: Estimate,
    /// The change of the share of samples that pass, where both were tested.
    pub pass_rate: Option<Estimate>,
    /// The change of clippy's messages per sample that compiles, over tasks where both have such.
    pub clippy_warnings: Option<Estimate>,
    /// Tasks whose share of passing (or compiling) samples changed, most first.
    pub flips: Vec<Flip>,
}

/// A task that changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flip {
    /// The task.
    pub task_id: String,
    /// The share of its samples that were right, before.
    pub before: f64,
    /// And after.
    pub after: f64,
}

#[derive(Default)]
struct Shares {
    samples: f64,
    compiled: f64,
    tested: f64,
    passed: f64,
    warnings: f64,
}

impl Shares {
    fn by_task(results: &[SampleResult]) -> BTreeMap<&str, Self> {
        let mut tasks: BTreeMap<&str, Self> = BTreeMap::new();
        for result in results.iter().filter(|r| !matches!(r.verdict, Verdict::Infra { .. })) {
            let shares = tasks.entry(&result.task_id).or_default();
            shares.samples += 1.0;
            shares.compiled += f64::from(u8::from(result.compiled));
            shares.tested += f64::from(u8::from(result.passed.is_some()));
            shares.passed += f64::from(u8::from(result.passed == Some(true)));
            shares.warnings += f64::from(result.lints.clippy_total());
        }
        tasks
    }

    fn right(&self) -> f64 {
        if self.tested > 0.0 { self.passed / self.tested } else { self.compiled / self.samples }
    }
}

/// Compares `after` with `before`.
///
/// # Errors
/// If they have no task in common.
pub fn compare(before: &[SampleResult], after: &[SampleResult]) -> Result<Comparison, EvalError> {
    let (before, after) = (Shares::by_task(before), Shares::by_task(after));
    let pairs: Vec<(&str, &Shares, &Shares)> =
        before.iter().filter_map(|(id, b)| after.get(id).map(|a| (*id, b, a))).collect();
    let differences = |measure: &dyn Fn(&Shares) -> Option<f64>| -> Option<Estimate> {
        let values: Vec<f64> =
            pairs.iter().filter_map(|(_, b, a)| Some(measure(a)? - measure(b)?)).collect();
        Estimate::of_tasks(&values)
    };
    let compile_rate = differences(&|s| Some(s.compiled / s.samples))
        .ok_or_else(|| EvalError::Compare("they have no task in common".to_owned()))?;
    let mut flips: Vec<Flip> = pairs
        .iter()
        .map(|(id, b, a)| Flip { task_id: (*id).to_owned(), before: b.right(), after: a.right() })
        .filter(|flip| flip.before != flip.after)
        .collect();
    flips.sort_by(|a, b| {
        let change = |flip: &Flip| (flip.after - flip.before).abs();
        change(b).total_cmp(&change(a)).then_with(|| a.task_id.cmp(&b.task_id))
    });
    let only = |these: &BTreeMap<&str, Shares>, others: &BTreeMap<&str, Shares>| {
        these.keys().filter(|id| !others.contains_key(*id)).map(|id| (*id).to_owned()).collect()
    };
    Ok(Comparison {
        tasks: pairs.len(),
        only_before: only(&before, &after),
        only_after: only(&after, &before),
        compile_rate,
        pass_rate: differences(&|s| (s.tested > 0.0).then(|| s.passed / s.tested)),
        clippy_warnings: differences(&|s| (s.compiled > 0.0).then(|| s.warnings / s.compiled)),
        flips,
    })
}
