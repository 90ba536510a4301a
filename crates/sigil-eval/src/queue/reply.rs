//! A reply: what a worker says about a job.
//!
//! Whoever may write to the queue may write replies, so a coordinator checks that one is about the
//! program it asked about. Next: `../judge/verdict.rs`.

use serde::{Deserialize, Serialize};

use crate::EvalError;
use crate::judge::{Measurement, SampleResult};

/// Bytes of a reply.
pub const MOST_REPLY_BYTES: usize = 900 << 10;

const SCHEMA: u32 = 1;

/// What a worker says about a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueReply {
    schema: u32,
    /// The job's name.
    pub key: String,
    /// The worker's sandbox, for the report.
    pub sandbox: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// It was judged.
    Judged {
        /// The result; the index is the coordinator's to set.
        result: Box<SampleResult>,
        /// What it cost there.
        measurement: Measurement,
    },
    /// Nothing can be said about it.
    GaveUp {
        /// Why.
        why: String,
    },
}

/// Characters of a reason.
const MOST_OF_A_REASON: usize = 500;

impl QueueReply {
    /// A verdict on the job of this name.
    pub fn new(key: &str, sandbox: &str, result: SampleResult, measurement: Measurement) -> Self {
        let outcome = Outcome::Judged { result: Box::new(result), measurement };
        Self { schema: SCHEMA, key: key.to_owned(), sandbox: sandbox.to_owned(), outcome }
    }

    /// That nobody will judge the job of this name.
    pub fn gave_up(key: &str, sandbox: &str, why: &str) -> Self {
        let outcome = Outcome::GaveUp { why: why.chars().take(MOST_OF_A_REASON).collect() };
        Self { schema: SCHEMA, key: key.to_owned(), sandbox: sandbox.to_owned(), outcome }
    }

    /// The reply as bytes. Messages are cut where they would make it too large.
    pub fn encode(&self) -> Vec<u8> {
        let bytes = serde_json::to_vec(self).expect("a reply is plain data");
        if bytes.len() <= MOST_REPLY_BYTES {
            return bytes;
        }
        // Counts are bounded by the compiler's output, which is bounded; text is what can go.
        let mut short = self.clone();
        if let Outcome::Judged { result, .. } = &mut short.outcome {
            result.message = result.message.chars().take(1000).collect();
            if let Some(tests) = &mut result.tests {
                tests.failed.truncate(100);
            }
        }
        serde_json::to_vec(&short).expect("a reply is plain data")
    }

    /// Reads a reply that alleges to be about the job `key`, whose program has the digest `digest`.
    ///
    /// # Errors
    /// If it is too large, has another layout, or is about something else.
    pub fn decode(bytes: &[u8], key: &str, task_id: &str, digest: &str) -> Result<Self, EvalError> {
        let bad = |problem: String| EvalError::Queue(format!("a reply {problem}"));
        if bytes.len() > MOST_REPLY_BYTES {
            return Err(bad(format!("has {} bytes", bytes.len())));
        }
        let reply: Self = serde_json::from_slice(bytes)
            .map_err(|error| bad(format!("is not readable: {error}")))?;
        if reply.schema != SCHEMA {
            return Err(bad(format!("has layout {}, not {SCHEMA}", reply.schema)));
        }
        let about = match &reply.outcome {
            Outcome::Judged { result, .. } => result.task_id == task_id && result.digest == digest,
            Outcome::GaveUp { why } => why.chars().count() <= MOST_OF_A_REASON,
        };
        if reply.key != key || !about {
            return Err(bad("is about another program than the one asked about".to_owned()));
        }
        Ok(reply)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reply() -> QueueReply {
        let result = serde_json::json!({
            "index": 0, "task_id": "t", "digest": "d", "verdict": {"kind": "compile_error"},
            "compiled": false, "passed": false, "how": "alone", "cut_bytes": 0, "edition": "2021",
            "crate_kind": "library", "second_pass": false, "placement": null,
            "errors": crate::judge::Errors::default(), "lints": crate::judge::Lints::default(),
            "tests": null, "facts": crate::source::Facts::of(""), "prompt_match": null, "message": "m",
        });
        let result = serde_json::from_value(result).expect("it is a result");
        QueueReply::new("k", "native", result, Measurement::default())
    }

    #[test]
    fn a_reply_is_about_what_was_asked() {
        let reply = reply();
        let bytes = reply.encode();
        assert_eq!(QueueReply::decode(&bytes, "k", "t", "d").expect("it is a reply"), reply);
        for (key, task, digest) in [("x", "t", "d"), ("k", "x", "d"), ("k", "t", "x")] {
            let error = QueueReply::decode(&bytes, key, task, digest).expect_err("it is another's");
            assert!(error.to_string().contains("another program"), "{error}");
        }
    }

    #[test]
    fn giving_up_is_a_reply_too() {
        let reply = QueueReply::gave_up("k", "native", &"x".repeat(9999));
        let read = QueueReply::decode(&reply.encode(), "k", "t", "d").expect("it is a reply");
        assert_eq!(read.outcome, Outcome::GaveUp { why: "x".repeat(MOST_OF_A_REASON) });
    }

    #[test]
    fn a_long_message_is_cut_so_that_the_reply_can_travel() {
        let mut long = reply();
        let Outcome::Judged { result, .. } = &mut long.outcome else {
            unreachable!("it was judged")
        };
        result.message = "x".repeat(2 * MOST_REPLY_BYTES);
        assert!(long.encode().len() <= MOST_REPLY_BYTES);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(QueueReply::decode(&bytes, "k", "t", "d").is_err());
        }
    }
}
