//! What lies on a server, for a person who looks.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::QueueError;
use crate::names;
use crate::server::{GoesOn, Server};

/// The runs on a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Overview {
    /// By name.
    pub runs: BTreeMap<String, RunOverview>,
}

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RunOverview {
    /// The group that its waiting jobs are for; empty if none waits.
    pub group: String,
    /// Jobs without an answer.
    pub waiting: usize,
    /// Jobs with one.
    pub answered: usize,
}

impl Server {
    /// What lies on the server.
    ///
    /// # Errors
    /// If it is away for too long.
    pub fn overview(&self, goes_on: GoesOn<'_>) -> Result<Overview, QueueError> {
        self.runtime.block_on(async {
            let jobs = self.keys(names::JOBS, "sigil.jobs.>", goes_on).await?;
            let answers = self.keys(names::ANSWERS, "sigil.answers.>", goes_on).await?;
            Ok(Overview::of(&jobs, &answers))
        })
    }
}

impl Overview {
    fn of(jobs: &[String], answers: &[String]) -> Self {
        let mut overview = Self::default();
        for subject in jobs {
            let parts: Vec<&str> = subject.split('.').collect();
            if let [_, _, group, run, _] = parts[..] {
                let found = overview.runs.entry(run.to_owned()).or_default();
                group.clone_into(&mut found.group);
                found.waiting += 1;
            }
        }
        for subject in answers {
            let parts: Vec<&str> = subject.split('.').collect();
            if let [_, _, run, _] = parts[..] {
                overview.runs.entry(run.to_owned()).or_default().answered += 1;
            }
        }
        overview
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_counted() {
        let jobs = [names::job("g", "r", "a"), names::job("g", "r", "b")];
        let answers = [names::answer("r", "c"), names::answer("s", "a"), "odd".to_owned()];
        let found = Overview::of(&jobs, &answers).runs;
        assert_eq!(found["r"], RunOverview { group: "g".into(), waiting: 2, answered: 1 });
        assert_eq!(found["s"], RunOverview { answered: 1, ..RunOverview::default() });
    }
}
