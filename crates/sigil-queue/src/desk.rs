//! The worker's side: takes jobs, keeps them while it works, and answers them once.
//!
//! A job that is taken stays on the server until it is answered. While a worker works on it, it says so
//! every third of the server's patience; when it stops saying so, because it was killed or cut off, the
//! server gives the job to another. The answer is written before the job is acknowledged, and only where
//! there is none: a second worker's answer to the same job is dropped by the server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::message::Acker;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use async_nats::jetstream::{AckKind, Message};
use futures_util::StreamExt as _;

use crate::names::{self, MOST_ANSWER_BYTES, MOST_JOB_BYTES, MOST_MESSAGE_BYTES};
use crate::presence::{Presence, Seen};
use crate::run::PARTS_HEADER;
use crate::server::{GoesOn, Placed, Server};
use crate::{QueueError, key_of};

/// Where a worker takes jobs of its groups.
pub struct Desk<'s> {
    server: &'s Server,
    groups: Vec<String>,
    /// How long the server waits for a sign of life before it gives a job to another.
    patience: Duration,
    consumers: Mutex<BTreeMap<String, PullConsumer>>,
    presence: Mutex<Presence>,
}

/// A job in a worker's hands. Dropped without an answer it goes back at once.
pub struct Delivery<'s> {
    server: &'s Server,
    run: String,
    /// The job's name.
    pub key: String,
    /// Its bytes.
    pub job: Vec<u8>,
    /// Whether the bytes are those that the name tells.
    pub intact: bool,
    /// How often it was given to a worker, this time included.
    pub deliveries: u64,
    hold: Hold,
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It is the job's answer.
    First,
    /// There was one; this one is gone.
    Late,
}

/// Tells the server that a job is being worked on, until it is dropped.
struct Hold {
    acker: Arc<Acker>,
    telling: tokio::task::JoinHandle<()>,
    runtime: tokio::runtime::Handle,
    done: bool,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.telling.abort();
        if !self.done {
            let acker = Arc::clone(&self.acker);
            self.runtime.spawn(async move {
                let _ = acker.ack_with(AckKind::Nak(None)).await;
            });
        }
    }
}

impl Server {
    /// A worker's place for jobs of these groups; `says` tells people what it is. The server gives a job
    /// to another worker after `patience` without a sign of life, where no other worker of the group said
    /// otherwise before.
    ///
    /// # Errors
    /// If a group has no name of one, or the server is away.
    pub fn desk(
        &self,
        groups: &[String],
        says: &str,
        patience: Duration,
    ) -> Result<Desk<'_>, QueueError> {
        for group in groups {
            names::checked(group)?;
        }
        let presence = self.runtime.block_on(Presence::worker(self, groups, says))?;
        Ok(Desk {
            server: self,
            groups: groups.to_vec(),
            patience,
            consumers: Mutex::default(),
            presence: Mutex::new(presence),
        })
    }
}

impl<'s> Desk<'s> {
    /// Takes a job if one comes within `wait`; `turn` says at which group to look first. May be called
    /// from any number of threads.
    ///
    /// # Errors
    /// If the server is away for too long.
    pub fn take(
        &self,
        turn: usize,
        wait: Duration,
        goes_on: GoesOn<'_>,
    ) -> Result<Option<Delivery<'s>>, QueueError> {
        let server = self.server;
        server.runtime.block_on(async {
            let count = self.groups.len();
            for look in 0..count {
                let group = &self.groups[(turn + look) % count];
                let wait = if look + 1 == count { wait } else { Duration::ZERO };
                if let Some(message) = self.next(group, wait, goes_on).await? {
                    return self.open(message, goes_on).await;
                }
            }
            Ok(None)
        })
    }

    /// What coordinators want that this worker does not have, each told once.
    pub fn strangers(&self) -> Vec<String> {
        let mut presence = self.presence.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::new();
        while let Some(seen) = presence.next() {
            if let Seen::Stranger(says) = seen {
                found.push(says);
            }
        }
        found
    }

    async fn next(
        &self,
        group: &str,
        wait: Duration,
        goes_on: GoesOn<'_>,
    ) -> Result<Option<Message>, QueueError> {
        let consumer = self.consumer(group, goes_on).await?;
        let asked = async {
            if wait.is_zero() {
                consumer.fetch().max_messages(1).messages().await
            } else {
                consumer.batch().max_messages(1).expires(wait).messages().await
            }
        };
        let batch = async { asked.await.ok()?.next().await?.ok() };
        let found = tokio::time::timeout(wait + Duration::from_secs(1), batch).await;
        if !matches!(found, Ok(Some(_))) && !self.server.is_connected() {
            // It may have lost who reads, too.
            self.consumers.lock().unwrap_or_else(PoisonError::into_inner).remove(group);
        }
        Ok(found.ok().flatten())
    }

    async fn consumer(&self, group: &str, goes_on: GoesOn<'_>) -> Result<PullConsumer, QueueError> {
        let known = || {
            let known = self.consumers.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(group).cloned()
        };
        if let Some(consumer) = known() {
            return Ok(consumer);
        }
        let config = pull::Config {
            durable_name: Some(group.to_owned()),
            filter_subject: format!("sigil.jobs.{group}.*.*"),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.patience,
            // Workers give up jobs, and say so: a server that stops giving one out says nothing.
            max_deliver: -1,
            max_ack_pending: 1 << 16,
            max_waiting: 1 << 13,
            ..pull::Config::default()
        };
        self.server.streams(goes_on).await?;
        let made: PullConsumer = self
            .server
            .insist("ask for jobs", goes_on, || async {
                let stream =
                    self.server.context.get_stream(names::JOBS).await.map_err(|e| e.to_string())?;
                let made = stream.get_or_create_consumer(group, config.clone()).await;
                made.map_err(|e| e.to_string())
            })
            .await?;
        let mut known = self.consumers.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(group.to_owned(), made.clone());
        Ok(made)
    }

    /// Makes a delivery of a message; `None` if there is nothing to do for it.
    async fn open(
        &self,
        message: Message,
        goes_on: GoesOn<'_>,
    ) -> Result<Option<Delivery<'s>>, QueueError> {
        let server = self.server;
        let deliveries = message.info().map_or(1, |info| info.delivered.max(1).unsigned_abs());
        let named = names::run_and_key(&message.subject);
        let named = named.map(|(run, key)| (run.to_owned(), key.to_owned()));
        let (message, acker) = message.split();
        let acker = Arc::new(acker);
        let mut hold = Hold {
            acker: Arc::clone(&acker),
            telling: tokio::spawn(tell(acker, self.patience / 3)),
            runtime: server.runtime.handle().clone(),
            done: false,
        };
        let Some((run, key)) = named else {
            // Not a job of ours; nobody will ever make one of it.
            hold.acknowledge(AckKind::Term).await;
            return Ok(None);
        };
        if deliveries > 1 && self.is_answered(&run, &key, goes_on).await? {
            hold.acknowledge(AckKind::Ack).await;
            return Ok(None);
        }
        let parts = message.headers.as_ref().and_then(|headers| headers.get(PARTS_HEADER));
        let job = match parts.map(|parts| parts.as_str().parse::<usize>()) {
            None => message.payload.to_vec(),
            Some(Ok(count)) if count <= MOST_JOB_BYTES / MOST_MESSAGE_BYTES + 1 => {
                let mut job = Vec::new();
                for number in 0..count {
                    let Some(piece) = self.part(&run, &key, number, goes_on).await? else {
                        // The run was forgotten meanwhile, or its coordinator sends it again.
                        hold.acknowledge(AckKind::Term).await;
                        return Ok(None);
                    };
                    job.extend(piece);
                }
                job
            }
            Some(_) => Vec::new(),
        };
        let intact = key_of(&job) == key;
        Ok(Some(Delivery { server, run, key, job, intact, deliveries, hold }))
    }

    async fn is_answered(
        &self,
        run: &str,
        key: &str,
        goes_on: GoesOn<'_>,
    ) -> Result<bool, QueueError> {
        let found = self.last(names::ANSWERS, &names::answer(run, key), goes_on).await?;
        Ok(found.is_some())
    }

    async fn part(
        &self,
        run: &str,
        key: &str,
        number: usize,
        goes_on: GoesOn<'_>,
    ) -> Result<Option<Vec<u8>>, QueueError> {
        self.last(names::PARTS, &names::part(run, key, number), goes_on).await
    }

    /// The bytes under a subject.
    async fn last(
        &self,
        stream: &'static str,
        subject: &str,
        goes_on: GoesOn<'_>,
    ) -> Result<Option<Vec<u8>>, QueueError> {
        let context = &self.server.context;
        self.server
            .insist("read from the queue", goes_on, || async {
                let stream = context.get_stream(stream).await.map_err(|e| e.to_string())?;
                match stream.get_last_raw_message_by_subject(subject).await {
                    Ok(message) => Ok(Some(message.payload.to_vec())),
                    Err(error) => match error.kind() {
                        LastRawMessageErrorKind::NoMessageFound => Ok(None),
                        _ => Err(error.to_string()),
                    },
                }
            })
            .await
    }
}

/// Says that the work goes on.
async fn tell(acker: Arc<Acker>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        // While the server is away this does nothing; the next may.
        let _ = acker.ack_with(AckKind::Progress).await;
    }
}

impl Hold {
    async fn acknowledge(&mut self, kind: AckKind) {
        self.telling.abort();
        self.done = true;
        // A lost acknowledgement costs a look at the answers when the job comes again.
        let _ =
            tokio::time::timeout(Duration::from_secs(2), self.acker.double_ack_with(kind)).await;
    }
}

impl Delivery<'_> {
    /// Answers the job and acknowledges it. If it fails the job goes back.
    ///
    /// # Errors
    /// If the answer is too large, or the server is away for too long.
    pub fn answer(mut self, bytes: &[u8], goes_on: GoesOn<'_>) -> Result<Answered, QueueError> {
        if bytes.len() > MOST_ANSWER_BYTES {
            return Err(QueueError::TooLarge {
                what: format!("the answer to job {}", self.key),
                bytes: bytes.len(),
                most: MOST_ANSWER_BYTES,
            });
        }
        let subject = names::answer(&self.run, &self.key);
        let server = self.server;
        server.runtime.block_on(async {
            let placed = server.place("answer a job", &subject, None, bytes, goes_on).await?;
            self.hold.acknowledge(AckKind::Ack).await;
            Ok(match placed {
                Placed::New => Answered::First,
                Placed::WasThere => Answered::Late,
            })
        })
    }
}
