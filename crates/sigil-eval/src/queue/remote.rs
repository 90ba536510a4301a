//! A coordinator: makes jobs of samples, has them carried to workers, and makes results of the replies.
//!
//! A reply counts once and only for the program that was asked about, whatever comes in whatever order, so
//! the results are those of [`InProcess`](super::InProcess) byte for byte. Next: `job.rs`, `reply.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::identity::{AskedOptions, JudgeIdentity};
use super::job::{QueueJob, key_of};
use super::judges::Judges;
use super::reply::{Outcome, QueueReply};
use crate::EvalError;
use crate::judge::{Job, Judge, Measurement, SampleResult, ToolchainIdentity, Verdict};
use crate::score::Protocol;

/// Carries jobs to workers and their replies back.
pub trait Carrier {
    /// Carries jobs, named by their keys, to workers of this identity, and brings at least one reply to
    /// each. `hear` is given key and bytes, and says whether to go on. Ends when every job has a reply, or
    /// when it shall not go on.
    ///
    /// # Errors
    /// If they cannot be carried.
    fn carry(
        &self,
        identity: &JudgeIdentity,
        jobs: BTreeMap<String, Vec<u8>>,
        hear: &mut dyn FnMut(&str, &[u8]) -> bool,
    ) -> Result<(), EvalError>;

    /// Nobody will ask for what was carried again.
    ///
    /// # Errors
    /// If it cannot be taken away.
    fn forget(&self) -> Result<(), EvalError>;

    /// Whether verdicts of a sandbox without namespaces are taken.
    fn allow_reduced(&self) -> bool;
}

/// Has jobs judged elsewhere.
pub struct Remote<C> {
    /// Says which program a sample makes; it never judges.
    judge: Judge,
    identity: JudgeIdentity,
    asked: AskedOptions,
    carrier: C,
    sandboxes: Mutex<BTreeSet<String>>,
}

/// What was asked under one key.
struct Asked<'a> {
    job: &'a Job<'a>,
    digest: String,
    indices: Vec<usize>,
}

impl<C: Carrier> Remote<C> {
    /// A coordinator for workers of this identity. `judge` has the same toolchain, crates and options.
    pub fn new(judge: Judge, identity: JudgeIdentity, asked: AskedOptions, carrier: C) -> Self {
        Self { judge, identity, asked, carrier, sandboxes: Mutex::default() }
    }

    /// The result of a reply, and what it cost.
    fn result(
        &self,
        asked: &Asked<'_>,
        key: &str,
        bytes: &[u8],
        edition: &str,
    ) -> (SampleResult, Measurement) {
        let Asked { job, digest, .. } = asked;
        let task_id = &job.sample.task_id;
        let why = match QueueReply::decode(bytes, key, task_id, digest) {
            Ok(reply) => match reply.outcome {
                Outcome::Judged { result, measurement } => {
                    let mut sandboxes =
                        self.sandboxes.lock().unwrap_or_else(PoisonError::into_inner);
                    if sandboxes.len() < 32 {
                        sandboxes.insert(reply.sandbox.chars().take(200).collect());
                    }
                    return (*result, measurement);
                }
                Outcome::GaveUp { why } => why,
            },
            // The server keeps the first reply only, so nothing better will come.
            Err(error) => error.to_string(),
        };
        let result = self.judge.not_judged(job.sample, job.task, edition, &why);
        (result, Measurement::default())
    }
}

impl<C: Carrier> Judges for Remote<C> {
    fn judge_all(
        &self,
        jobs: &[Job<'_>],
        default_edition: &str,
        done: &(dyn Fn(&SampleResult) -> bool + Sync),
    ) -> Result<Vec<(SampleResult, Measurement)>, EvalError> {
        let (mut by_key, mut carried) = (BTreeMap::<String, Asked<'_>>::new(), BTreeMap::new());
        let tag = self.identity.tag(self.carrier.allow_reduced());
        for (index, job) in jobs.iter().enumerate() {
            let bytes = QueueJob {
                identity: tag.clone(),
                options: self.asked.clone(),
                edition: default_edition.to_owned(),
                sample: job.sample.clone(),
                task: job.task.cloned(),
            }
            .encode()?;
            let key = key_of(&bytes);
            by_key
                .entry(key.clone())
                .or_insert_with(|| Asked {
                    job,
                    digest: self.judge.program_digest(job.sample, job.task),
                    indices: Vec::new(),
                })
                .indices
                .push(index);
            carried.insert(key, bytes);
        }
        let mut results: Vec<Option<(SampleResult, Measurement)>> = vec![None; jobs.len()];
        let (mut infra, mut first) = (0usize, String::new());
        let most = (self.judge.options().most_infra * jobs.len() as f64).max(1.0);
        let mut hear = |key: &str, bytes: &[u8]| {
            let Some(asked) = by_key.get(key) else { return true };
            if results[asked.indices[0]].is_some() {
                return true;
            }
            let (result, measurement) = self.result(asked, key, bytes, default_edition);
            let mut goes_on = true;
            for index in &asked.indices {
                let mut own = (result.clone(), measurement.clone());
                own.0.index = jobs[*index].sample.index;
                own.1.index = jobs[*index].sample.index;
                if let Verdict::Infra { why } = &own.0.verdict {
                    infra += 1;
                    if first.is_empty() {
                        first.clone_from(why);
                    }
                }
                goes_on &= done(&own.0);
                results[*index] = Some(own);
            }
            goes_on && infra as f64 <= most
        };
        if !carried.is_empty() {
            self.carrier.carry(&self.identity, carried, &mut hear)?;
        }
        let results: Vec<_> = results.into_iter().flatten().collect();
        if infra as f64 > most {
            return Err(EvalError::TooManyInfra { failed: infra, judged: results.len(), first });
        }
        Ok(results)
    }

    fn protocol(&self, protocol: Protocol) -> Result<Protocol, EvalError> {
        let sandboxes = self.sandboxes.lock().unwrap_or_else(PoisonError::into_inner);
        let sandboxes: Vec<&str> = sandboxes.iter().map(String::as_str).collect();
        let rustc = self.identity.rustc.clone();
        let toolchain = ToolchainIdentity { rustc, ..ToolchainIdentity::default() };
        Ok(Protocol {
            lint_groups: self.asked.lint_groups.clone(),
            rustc_version: toolchain.release().to_owned(),
            clippy_version: self.identity.clippy.clone(),
            sandbox: sandboxes.join("; "),
            dependencies: self.identity.dependencies.clone(),
            ..protocol
        })
    }

    fn finish(&self) -> Result<(), EvalError> {
        self.carrier.forget()
    }
}
