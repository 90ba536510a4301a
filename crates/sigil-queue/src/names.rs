//! What lies on the server, and under which names.
//!
//! | stream | subjects | holds |
//! |---|---|---|
//! | `SIGIL_JOBS` | `sigil.jobs.GROUP.RUN.KEY` | jobs that are not answered; a job leaves with its acknowledgement |
//! | `SIGIL_PARTS` | `sigil.parts.RUN.KEY.N` | the pieces of jobs that are too large for a message |
//! | `SIGIL_ANSWERS` | `sigil.answers.RUN.KEY` | the first answer to each job, until the run is forgotten |
//!
//! A group is what a worker must have to serve it, a run one set of jobs, a key the digest of a job's
//! bytes. Next: `server.rs`.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};

use crate::QueueError;

pub(crate) const JOBS: &str = "SIGIL_JOBS";
pub(crate) const PARTS: &str = "SIGIL_PARTS";
pub(crate) const ANSWERS: &str = "SIGIL_ANSWERS";

/// Bytes of one message. Servers take 1 MiB with the headers unless they are told otherwise.
pub(crate) const MOST_MESSAGE_BYTES: usize = 900 << 10;

/// Bytes of a job, in pieces if need be.
pub const MOST_JOB_BYTES: usize = 64 << 20;

/// Bytes of an answer.
pub const MOST_ANSWER_BYTES: usize = MOST_MESSAGE_BYTES;

/// What nobody comes back for leaves the server after this.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// The name of a job: the digest of its bytes, 64 digits.
pub fn key_of(job: &[u8]) -> String {
    blake3::hash(job).to_hex().to_string()
}

/// Whether a text can be one part of a subject.
pub(crate) fn checked(name: &str) -> Result<&str, QueueError> {
    let good = (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric());
    if good { Ok(name) } else { Err(QueueError::Name(name.escape_debug().to_string())) }
}

pub(crate) fn job(group: &str, run: &str, key: &str) -> String {
    format!("sigil.jobs.{group}.{run}.{key}")
}

pub(crate) fn part(run: &str, key: &str, number: usize) -> String {
    format!("sigil.parts.{run}.{key}.{number}")
}

pub(crate) fn answer(run: &str, key: &str) -> String {
    format!("sigil.answers.{run}.{key}")
}

/// Run and key of a job's subject.
pub(crate) fn run_and_key(subject: &str) -> Option<(&str, &str)> {
    let mut parts = subject.strip_prefix("sigil.jobs.")?.split('.');
    let (_, run, key) = (parts.next()?, parts.next()?, parts.next()?);
    let good = checked(run).is_ok() && checked(key).is_ok() && parts.next().is_none();
    good.then_some((run, key))
}

/// The streams as they are made where they are not there.
pub(crate) fn streams() -> [Config; 3] {
    let stream = |name: &str, subjects: &str, retention| Config {
        name: name.to_owned(),
        subjects: vec![subjects.to_owned()],
        retention,
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        max_age: KEPT,
        max_bytes: -1,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        num_replicas: 1,
        allow_direct: false,
        ..Config::default()
    };
    [
        stream(JOBS, "sigil.jobs.*.*.*", RetentionPolicy::WorkQueue),
        stream(PARTS, "sigil.parts.*.*.*", RetentionPolicy::Limits),
        stream(ANSWERS, "sigil.answers.*.*", RetentionPolicy::Limits),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_read_as_they_are_written() {
        assert_eq!(run_and_key(&job("g", "r", "k")), Some(("r", "k")));
        for wrong in
            ["sigil.jobs.g.r", "sigil.jobs.g.r.k.x", "sigil.parts.g.r.k", "sigil.jobs.g..k"]
        {
            assert_eq!(run_and_key(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_cannot_leave_their_place_in_a_subject() {
        for wrong in ["", "a.b", "*", ">", "a b", "é", &"a".repeat(65)] {
            assert!(checked(wrong).is_err(), "{wrong}");
        }
        checked(&key_of(b"x")).expect("a digest is a name");
    }
}
