//! The coordinator's side: sends jobs and hears answers until every job has one.
//!
//! Everything that matters lies on the server, so a coordinator that is killed and started again with the
//! same jobs goes on: it sends what is neither waiting nor answered, and reads the answers from the first.
//! The same comparison is made whenever nothing comes, so that what a server lost is sent again.
//! Next: `desk.rs`, the other side.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::names::{self, MOST_JOB_BYTES, MOST_MESSAGE_BYTES};
use crate::presence::{Presence, Seen};
use crate::server::{GoesOn, Server};
use crate::{QueueError, key_of};

/// Jobs on their way at once.
const SENDING: usize = 64;

/// How long a request for answers waits; between two the caller is asked whether to go on.
const LISTEN: Duration = Duration::from_millis(300);

/// After so long without an answer what is on the server is compared with what should be.
const QUIET: Duration = Duration::from_secs(5);

/// The header that tells in how many pieces a job lies beside its message.
pub(crate) const PARTS_HEADER: &str = "Sigil-Parts";

/// A set of jobs for workers of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// What a worker must have.
    pub group: String,
    /// What the group means, for people on the other side.
    pub says: String,
    /// The jobs by their [key](key_of).
    pub jobs: BTreeMap<String, Vec<u8>>,
}

/// What a coordinator hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// The answer to a job that had none. Each job has one.
    Answer {
        /// The job.
        key: &'a str,
        /// What a worker alleges.
        bytes: &'a [u8],
    },
    /// Nothing for a moment.
    Nothing {
        /// How many jobs are open.
        open: usize,
        /// Whether the server is connected.
        connected: bool,
        /// Whether a worker of the group was ever heard of.
        served: bool,
    },
    /// A worker that serves other groups only.
    Stranger {
        /// What it says of itself; from elsewhere, without control characters.
        says: &'a str,
    },
}

impl Run {
    /// Its name: equal sets of jobs for one group have equal names.
    pub fn name(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.group.as_bytes());
        for key in self.jobs.keys() {
            hasher.update(b"\n").update(key.as_bytes());
        }
        hasher.finalize().to_hex()[..24].to_owned()
    }

    fn check(&self) -> Result<(), QueueError> {
        names::checked(&self.group)?;
        for (key, job) in &self.jobs {
            names::checked(key)?;
            if job.len() > MOST_JOB_BYTES {
                let what = format!("job {key}");
                return Err(QueueError::TooLarge { what, bytes: job.len(), most: MOST_JOB_BYTES });
            }
            if key_of(job) != *key {
                return Err(QueueError::WrongName { key: key.clone() });
            }
        }
        Ok(())
    }
}

/// How the listening for answers ended.
enum Ended {
    All,
    Stopped,
    /// The list of answers must be read anew.
    Anew,
}

impl Server {
    /// Sends a run's jobs and hears an answer to each; `hear` says whether to go on. Gives whether all
    /// were answered. What the run left on the server stays until it is [forgotten](Server::forget).
    ///
    /// # Errors
    /// If a job is not what its name says or too large, or the server is away for too long.
    pub fn ask(
        &self,
        run: &Run,
        goes_on: GoesOn<'_>,
        hear: &mut dyn FnMut(Heard<'_>) -> bool,
    ) -> Result<bool, QueueError> {
        run.check()?;
        let done = self.runtime.block_on(self.conduct(run, goes_on, hear));
        match done {
            Err(QueueError::Stopped) => Ok(false),
            done => done,
        }
    }

    async fn conduct(
        &self,
        run: &Run,
        goes_on: GoesOn<'_>,
        hear: &mut dyn FnMut(Heard<'_>) -> bool,
    ) -> Result<bool, QueueError> {
        let name = run.name();
        let mut open: BTreeSet<&str> = run.jobs.keys().map(String::as_str).collect();
        let mut presence = Presence::coordinator(self, &run.group, &run.says).await?;
        while !open.is_empty() {
            self.streams(goes_on).await?;
            self.send_missing(run, &name, &open, goes_on).await?;
            match self.listen(run, &name, &mut open, &mut presence, goes_on, hear).await? {
                Ended::All => break,
                Ended::Stopped => return Ok(false),
                Ended::Anew => {}
            }
        }
        Ok(true)
    }

    /// Sends the open jobs that are neither waiting nor answered.
    async fn send_missing(
        &self,
        run: &Run,
        name: &str,
        open: &BTreeSet<&str>,
        goes_on: GoesOn<'_>,
    ) -> Result<(), QueueError> {
        let known = self.known(&run.group, name, goes_on).await?;
        let missing: Vec<&str> = open.iter().copied().filter(|key| !known.contains(*key)).collect();
        futures_util::stream::iter(missing)
            .map(|key| self.send(&run.group, name, key, &run.jobs[key], goes_on))
            .buffer_unordered(SENDING)
            .try_collect::<()>()
            .await
    }

    /// The keys of a run that wait or are answered.
    async fn known(
        &self,
        group: &str,
        run: &str,
        goes_on: GoesOn<'_>,
    ) -> Result<BTreeSet<String>, QueueError> {
        // Waiting ones first: what is answered between the two questions is in the second list.
        let mut known = BTreeSet::new();
        for (stream, filter) in
            [(names::JOBS, names::job(group, run, "*")), (names::ANSWERS, names::answer(run, "*"))]
        {
            for subject in self.keys(stream, &filter, goes_on).await? {
                known.extend(subject.rsplit('.').next().map(str::to_owned));
            }
        }
        Ok(known)
    }

    async fn send(
        &self,
        group: &str,
        run: &str,
        key: &str,
        job: &[u8],
        goes_on: GoesOn<'_>,
    ) -> Result<(), QueueError> {
        let what = "send a job";
        let subject = names::job(group, run, key);
        if job.len() <= MOST_MESSAGE_BYTES {
            self.place(what, &subject, None, job, goes_on).await?;
            return Ok(());
        }
        // The pieces are there before the message that names them.
        let pieces = job.chunks(MOST_MESSAGE_BYTES);
        let count = pieces.len();
        for (number, piece) in pieces.enumerate() {
            self.place(what, &names::part(run, key, number), None, piece, goes_on).await?;
        }
        let mut headers = HeaderMap::new();
        headers.insert(PARTS_HEADER, count.to_string());
        self.place(what, &subject, Some(headers), b"", goes_on).await?;
        Ok(())
    }

    /// Hears answers from the first on.
    async fn listen(
        &self,
        run: &Run,
        name: &str,
        open: &mut BTreeSet<&str>,
        presence: &mut Presence,
        goes_on: GoesOn<'_>,
        hear: &mut dyn FnMut(Heard<'_>) -> bool,
    ) -> Result<Ended, QueueError> {
        let answers = self.answers(name, goes_on).await?;
        let mut last = Instant::now();
        loop {
            if !goes_on() {
                return Ok(Ended::Stopped);
            }
            let mut came = 0;
            let asked = answers.batch().max_messages(256).expires(LISTEN).messages();
            let Ok(Ok(mut batch)) = tokio::time::timeout(2 * LISTEN, asked).await else {
                return Ok(Ended::Anew);
            };
            // A batch of a server that died ends by its own clock; this one is shorter.
            while let Ok(Some(message)) = tokio::time::timeout(4 * LISTEN, batch.next()).await {
                let Ok(message) = message else { return Ok(Ended::Anew) };
                let key = message.subject.rsplit('.').next().unwrap_or_default();
                if !open.remove(key) {
                    continue;
                }
                came += 1;
                if !hear(Heard::Answer { key, bytes: &message.payload }) {
                    return Ok(Ended::Stopped);
                }
            }
            if open.is_empty() {
                return Ok(Ended::All);
            }
            while let Some(seen) = presence.next() {
                if let Seen::Stranger(says) = seen
                    && !hear(Heard::Stranger { says: &says })
                {
                    return Ok(Ended::Stopped);
                }
            }
            if came > 0 {
                last = Instant::now();
                continue;
            }
            let (connected, served) = (self.is_connected(), presence.served());
            if !hear(Heard::Nothing { open: open.len(), connected, served }) {
                return Ok(Ended::Stopped);
            }
            if last.elapsed() > QUIET {
                let known = self.known(&run.group, name, goes_on).await?;
                let answered =
                    self.keys(names::ANSWERS, &names::answer(name, "*"), goes_on).await?;
                let heard = |subject: &String| {
                    !subject.rsplit('.').next().is_some_and(|key| open.contains(key))
                };
                if !answered.iter().all(heard) || open.iter().any(|key| !known.contains(*key)) {
                    return Ok(Ended::Anew);
                }
                last = Instant::now();
            }
        }
    }

    /// A reader of a run's answers, from the first.
    async fn answers(&self, run: &str, goes_on: GoesOn<'_>) -> Result<PullConsumer, QueueError> {
        let config = pull::Config {
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::None,
            filter_subject: names::answer(run, "*"),
            inactive_threshold: Duration::from_secs(60),
            ..pull::Config::default()
        };
        self.insist("listen for answers", goes_on, || {
            self.context.create_consumer_on_stream(config.clone(), names::ANSWERS)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_that_of_the_set() {
        let run = |group: &str, jobs: &[&str]| {
            let jobs = jobs.iter().map(|job| (key_of(job.as_bytes()), job.as_bytes().to_vec()));
            Run { group: group.into(), says: String::new(), jobs: jobs.collect() }
        };
        assert_eq!(run("g", &["a", "b"]).name(), run("g", &["b", "a", "a"]).name());
        assert_ne!(run("g", &["a", "b"]).name(), run("h", &["a", "b"]).name());
        assert_ne!(run("g", &["a", "b"]).name(), run("g", &["a"]).name());
        run("g", &["a"]).check().expect("it is well formed");
        let wrong = Run { jobs: [(key_of(b"a"), b"b".to_vec())].into(), ..run("g", &[]) };
        assert!(matches!(wrong.check(), Err(QueueError::WrongName { .. })));
        assert!(matches!(run("a.b", &[]).check(), Err(QueueError::Name(_))));
    }
}
