//! Who judges many jobs: this process, or others.
//!
//! Whoever it is, the results are the same bytes in the same order. Next: `remote.rs`.

use crate::EvalError;
use crate::judge::{Job, Judge, Measurement, SampleResult, judge_all};
use crate::score::Protocol;

/// Judges many jobs.
pub trait Judges {
    /// Judges all jobs; the results are in their order. `done` hears of each as it comes, in no order, and
    /// stops everything by saying false.
    ///
    /// # Errors
    /// What stopped it; in particular a sandbox that fails for too many samples.
    fn judge_all(
        &self,
        jobs: &[Job<'_>],
        default_edition: &str,
        done: &(dyn Fn(&SampleResult) -> bool + Sync),
    ) -> Result<Vec<(SampleResult, Measurement)>, EvalError>;

    /// Adds to a protocol who judged.
    ///
    /// # Errors
    /// If that cannot be found out.
    fn protocol(&self, protocol: Protocol) -> Result<Protocol, EvalError>;

    /// The results are kept elsewhere now: nothing needs to be remembered.
    ///
    /// # Errors
    /// If what was remembered cannot be taken away.
    fn finish(&self) -> Result<(), EvalError>;
}

/// The judge of this process, in several threads.
pub struct InProcess {
    /// The judge.
    pub judge: Judge,
    /// How many threads.
    pub workers: usize,
}

impl Judges for InProcess {
    fn judge_all(
        &self,
        jobs: &[Job<'_>],
        default_edition: &str,
        done: &(dyn Fn(&SampleResult) -> bool + Sync),
    ) -> Result<Vec<(SampleResult, Measurement)>, EvalError> {
        judge_all(&self.judge, jobs, default_edition, self.workers, done)
    }

    fn protocol(&self, protocol: Protocol) -> Result<Protocol, EvalError> {
        let identity = self.judge.identity()?;
        let set = self.judge.dependencies().map_or("", |set| set.fingerprint());
        Ok(Protocol {
            lint_groups: self.judge.options().lint_groups.clone(),
            rustc_version: identity.release().to_owned(),
            clippy_version: identity.clippy.clone(),
            sandbox: self.judge.sandbox()?,
            dependencies: set.to_owned(),
            ..protocol
        })
    }

    fn finish(&self) -> Result<(), EvalError> {
        Ok(())
    }
}
