//! Judges jobs with progress, and stops in order when the user asks to.
//!
//! Next: `bench.rs` for how the judge is made.

use std::path::PathBuf;

use sigil_eval::judge::{Job, Measurement, SampleResult};
use sigil_eval::queue::Judges;
use sigil_eval::score::Protocol;

use crate::bench;
use crate::cli::JudgeArguments;
use crate::exit::Failure;
use crate::progress::Progress;
use crate::stop::Stop;

/// A result with what it cost.
pub(crate) type Judged = (SampleResult, Measurement);

/// Judges jobs.
pub(crate) struct Judging<'a> {
    arguments: &'a JudgeArguments,
    stop: Stop,
    judges: Box<dyn Judges>,
}

/// What came of some jobs.
pub(crate) struct Batch {
    /// The results, in the order of the jobs; not all of them after an interruption.
    pub(crate) judged: Vec<Judged>,
    /// How to say that the user stopped it.
    pub(crate) interrupted: Option<Failure>,
}

impl Batch {
    /// All results.
    pub(crate) fn whole(self) -> Result<Vec<Judged>, Failure> {
        match self.interrupted {
            Some(failure) => Err(failure),
            None => Ok(self.judged),
        }
    }
}

impl<'a> Judging<'a> {
    /// What the arguments ask for.
    pub(crate) fn open(arguments: &'a JudgeArguments) -> Result<Self, Failure> {
        let stop = Stop::listen()?;
        let judges = bench::judges(arguments, &stop)?;
        Ok(Self { arguments, stop, judges })
    }

    /// Judges jobs with a line of progress on stderr.
    pub(crate) fn all(&self, jobs: &[Job<'_>], what: &'static str) -> Result<Batch, Failure> {
        let progress = Progress::new(self.arguments.quiet, jobs.len(), what);
        let stop = &self.stop;
        let done = |_: &SampleResult| {
            progress.advance(1);
            !stop.asked()
        };
        let judged = self.judges.judge_all(jobs, &self.arguments.edition, &done)?;
        progress.finish();
        let interrupted = (judged.len() < jobs.len() && self.stop.asked())
            .then(|| self.interrupted(judged.len(), jobs.len()));
        Ok(Batch { judged, interrupted })
    }

    fn interrupted(&self, judged: usize, of: usize) -> Failure {
        let hint = match &self.arguments.cache {
            _ if self.arguments.queue.queue.is_some() => {
                "the same command goes on: the queue keeps what is judged and what is not for 7 days; \
                 `sigil-eval queue --clear` takes it away"
                    .to_owned()
            }
            Some(folder) => format!(
                "the same command goes on: what is judged is in the cache `{}`",
                folder.display()
            ),
            None => "with --cache FOLDER the same command would go on where it stopped".to_owned(),
        };
        Failure::new(130, format!("interrupted: {judged} of {of} are judged"), Some(hint))
    }

    /// Adds to a protocol who judged.
    pub(crate) fn describe(&self, protocol: Protocol) -> Result<Protocol, Failure> {
        Ok(self.judges.protocol(protocol)?)
    }

    /// All is written: whoever remembered results for this command need not any longer.
    pub(crate) fn finish(&self) -> Result<(), Failure> {
        Ok(self.judges.finish()?)
    }
}

/// Where a partial result goes beside the whole one.
pub(crate) fn partial(folder: &std::path::Path) -> PathBuf {
    folder.join("results.partial.jsonl")
}
