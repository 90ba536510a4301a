//! Judges many samples at once and gives the results in the order of the input, whatever the order in
//! which they were done.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::judge::Judge;
use super::verdict::{Measurement, SampleResult, Verdict};
use crate::EvalError;
use crate::task::{Sample, Task};

/// A sample and its task.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    /// The sample.
    pub sample: &'a Sample,
    /// Its task, if it has one.
    pub task: Option<&'a Task>,
}

impl<'a> Job<'a> {
    /// Gives each sample its task. Without tasks samples are judged alone.
    ///
    /// # Errors
    /// If a sample names a task that is not there.
    pub fn assign(samples: &'a [Sample], tasks: &'a [Task]) -> Result<Vec<Self>, EvalError> {
        let by_name: BTreeMap<&str, &Task> =
            tasks.iter().map(|task| (task.id.as_str(), task)).collect();
        samples
            .iter()
            .map(|sample| match by_name.get(sample.task_id.as_str()) {
                Some(task) => Ok(Self { sample, task: Some(task) }),
                None if tasks.is_empty() => Ok(Self { sample, task: None }),
                None => Err(EvalError::UnknownTask {
                    index: sample.index,
                    task_id: sample.task_id.clone(),
                }),
            })
            .collect()
    }
}

/// Judges all jobs with `workers` threads. `done` hears of each result as it comes, in no order, and
/// stops everything by saying false.
///
/// # Errors
/// What stopped it; in particular a sandbox that fails for too many samples.
pub fn judge_all(
    judge: &Judge,
    jobs: &[Job<'_>],
    default_edition: &str,
    workers: usize,
    done: &(dyn Fn(&SampleResult) -> bool + Sync),
) -> Result<Vec<(SampleResult, Measurement)>, EvalError> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let failed: Mutex<Option<EvalError>> = Mutex::new(None);
    let infra: Mutex<(usize, String)> = Mutex::new((0, String::new()));
    let results: Mutex<Vec<Option<(SampleResult, Measurement)>>> =
        Mutex::new(jobs.iter().map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..workers.clamp(1, jobs.len().max(1)) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(index) else { break };
                    match judge.judge(job.sample, job.task, default_edition) {
                        Ok(result) => {
                            if let Verdict::Infra { why } = &result.0.verdict {
                                let mut infra =
                                    infra.lock().unwrap_or_else(PoisonError::into_inner);
                                infra.0 += 1;
                                if infra.1.is_empty() {
                                    infra.1.clone_from(why);
                                }
                                // A few may fail; when it is the rule there is no use in going on.
                                let most = judge.options().most_infra * jobs.len() as f64;
                                if infra.0 as f64 > most.max(1.0) {
                                    stop.store(true, Ordering::Relaxed);
                                }
                            }
                            if !done(&result.0) {
                                stop.store(true, Ordering::Relaxed);
                            }
                            results.lock().unwrap_or_else(PoisonError::into_inner)[index] =
                                Some(result);
                        }
                        Err(error) => {
                            failed
                                .lock()
                                .unwrap_or_else(PoisonError::into_inner)
                                .get_or_insert(error);
                            stop.store(true, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let results: Vec<_> = results
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .into_iter()
        .flatten()
        .collect();
    let (count, first) = infra.into_inner().unwrap_or_else(PoisonError::into_inner);
    if count as f64 > (judge.options().most_infra * jobs.len() as f64).max(1.0) {
        return Err(EvalError::TooManyInfra { failed: count, judged: results.len(), first });
    }
    Ok(results)
}
