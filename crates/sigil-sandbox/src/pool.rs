//! Slots that run jobs in parallel.
//!
//! A pool starts no thread of its own: whoever calls [`Pool::run`] waits in it. Next: `select.rs`.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::{Backend, CanaryReport, Infra, Job, Outcome, Slot};

/// A backend whose canaries all held here and now: the only thing a [`Pool`] can be made from.
pub struct Verified {
    backend: Box<dyn Backend>,
    report: CanaryReport,
}

impl Verified {
    /// For `select.rs`, after the canaries.
    pub(crate) fn new(backend: Box<dyn Backend>, report: CanaryReport) -> Self {
        Self { backend, report }
    }

    /// What the canaries found: name, tier, capabilities. It belongs into every report made from
    /// outcomes.
    pub fn report(&self) -> &CanaryReport {
        &self.report
    }

    /// A pool that runs up to `slots` jobs at once.
    pub fn pool(self, slots: usize) -> Pool {
        let idle = (0..slots.max(1)).rev().map(|index| (index as u32, None)).collect();
        Pool {
            verified: self,
            idle: Mutex::new(idle),
            returned: Condvar::new(),
            slots: slots.max(1),
        }
    }
}

/// Runs jobs, at most as many at once as it has slots.
pub struct Pool {
    verified: Verified,
    /// Slots not in use; `None` is one that must be opened first.
    idle: Mutex<Vec<(u32, Option<Box<dyn Slot>>)>>,
    returned: Condvar,
    slots: usize,
}

impl Pool {
    /// Runs a job in the next free slot, waiting for one.
    ///
    /// # Errors
    /// [`Infra`] where nothing can be said about the program. The slot is opened anew for the next
    /// job.
    pub fn run(&self, job: &Job) -> Result<Outcome, Infra> {
        let backend = &self.verified.backend;
        if let Some(problem) = job.problem() {
            return Err(Infra::Unsupported { backend: backend.name(), problem });
        }
        let mut taken = Taken { pool: self, index: 0, slot: None };
        (taken.index, taken.slot) = self.take();
        let mut slot = match taken.slot.take() {
            Some(slot) => slot,
            None => backend.open_slot(taken.index)?,
        };
        let outcome = slot.run(job);
        // After a failure nothing is known about the slot.
        if outcome.is_ok() {
            taken.slot = Some(slot);
        }
        outcome
    }

    /// How many jobs run at once.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// What the canaries found when the backend was chosen.
    pub fn report(&self) -> &CanaryReport {
        self.verified.report()
    }

    fn take(&self) -> (u32, Option<Box<dyn Slot>>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match idle.pop() {
                Some(slot) => return slot,
                None => idle = self.returned.wait(idle).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// Gives a slot's place back even if running the job panics.
struct Taken<'a> {
    pool: &'a Pool,
    index: u32,
    slot: Option<Box<dyn Slot>>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push((self.index, self.slot.take()));
        drop(idle);
        self.pool.returned.notify_one();
    }
}
