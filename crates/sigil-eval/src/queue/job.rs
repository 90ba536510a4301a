//! A job: one sample, its task, and how to judge it.
//!
//! Next: `reply.rs`.

use serde::{Deserialize, Serialize};

use super::identity::AskedOptions;
use super::wire_task::WireTask;
use crate::EvalError;
use crate::task::{Sample, Task};

/// Bytes of a job. What is larger than a message of the queue travels in pieces.
pub const MOST_JOB_BYTES: usize = 64 << 20;

const SCHEMA: u32 = 1;

/// A sample to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueJob {
    /// The tag of the [`JudgeIdentity`](super::JudgeIdentity) that may judge it.
    pub identity: String,
    /// How to judge.
    pub options: AskedOptions,
    /// The edition, if there is no task.
    pub edition: String,
    /// The sample; its index is the coordinator's business and does not travel.
    pub sample: Sample,
    /// Its task.
    pub task: Option<Task>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    schema: u32,
    identity: String,
    options: AskedOptions,
    edition: String,
    task_id: String,
    prompt: String,
    text: String,
    task: Option<WireTask>,
}

/// The name of a job: the digest of its bytes, 64 digits.
pub fn key_of(job: &[u8]) -> String {
    blake3::hash(job).to_hex().to_string()
}

impl QueueJob {
    /// The job as bytes: equal jobs have equal bytes.
    ///
    /// # Errors
    /// If it is larger than [`MOST_JOB_BYTES`].
    pub fn encode(&self) -> Result<Vec<u8>, EvalError> {
        let wire = Wire {
            schema: SCHEMA,
            identity: self.identity.clone(),
            options: self.options.clone(),
            edition: self.edition.clone(),
            task_id: self.sample.task_id.clone(),
            prompt: self.sample.prompt.clone(),
            text: self.sample.text.clone(),
            task: self.task.as_ref().map(WireTask::from),
        };
        let bytes = serde_json::to_vec(&wire).expect("a job is plain data");
        if bytes.len() > MOST_JOB_BYTES {
            return Err(EvalError::Queue(format!(
                "sample {} with its task has {} bytes, and a queue carries {MOST_JOB_BYTES}",
                self.sample.index,
                bytes.len()
            )));
        }
        Ok(bytes)
    }

    /// Reads a job that alleges to be one.
    ///
    /// # Errors
    /// If it is too large, has another layout, or asks for what nobody may ask.
    pub fn decode(bytes: &[u8]) -> Result<Self, EvalError> {
        let bad = |problem: String| EvalError::Queue(format!("a job {problem}"));
        if bytes.len() > MOST_JOB_BYTES {
            return Err(bad(format!("has {} bytes", bytes.len())));
        }
        let wire: Wire = serde_json::from_slice(bytes)
            .map_err(|error| bad(format!("is not readable: {error}")))?;
        if wire.schema != SCHEMA {
            return Err(bad(format!("has layout {}, not {SCHEMA}", wire.schema)));
        }
        if let Some(problem) = wire.options.problem() {
            return Err(bad(format!("cannot be judged: {problem}")));
        }
        // They become arguments of the compiler too.
        let editions = [Some(&wire.edition), wire.task.as_ref().map(|task| &task.edition)];
        for edition in editions.into_iter().flatten() {
            if !matches!(edition.as_str(), "2015" | "2018" | "2021" | "2024") {
                return Err(bad(format!("names the edition `{}`", edition.escape_debug())));
            }
        }
        if wire.task.as_ref().is_some_and(|task| task.id != wire.task_id) {
            return Err(bad("has a sample for another task".to_owned()));
        }
        Ok(Self {
            identity: wire.identity,
            options: wire.options,
            edition: wire.edition,
            sample: Sample {
                index: 0,
                task_id: wire.task_id,
                prompt: wire.prompt,
                text: wire.text,
            },
            task: wire.task.map(Task::from),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn job(text: &str, prompt: &str) -> QueueJob {
        QueueJob {
            identity: "0123".into(),
            options: AskedOptions {
                lint_groups: vec!["clippy::all".into()],
                allow_unsafe: false,
                run_tests: true,
                compile_secs: 10,
                test_secs: 5,
            },
            edition: "2021".into(),
            sample: Sample {
                index: 0,
                task_id: "t".into(),
                prompt: prompt.into(),
                text: text.into(),
            },
            task: Some(Task {
                id: "t".into(),
                prompt: "fn f() {".into(),
                entry_point: "f".into(),
                canonical_solution: "}".into(),
                test: "x".into(),
                edition: "2024".into(),
                stop_tokens: vec!["\n}".into()],
                externs: [("a".to_owned(), "b".to_owned())].into(),
                project: Some("p".into()),
            }),
        }
    }

    proptest! {
        #[test]
        fn jobs_survive_the_way(text in any::<String>(), prompt in any::<String>(), index in 0usize..9) {
            let mut one = job(&text, &prompt);
            let bytes = one.encode().expect("it is small");
            prop_assert_eq!(QueueJob::decode(&bytes).expect("it is a job"), one.clone());
            one.sample.index = index;
            prop_assert_eq!(one.encode().expect("it is small"), bytes);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = QueueJob::decode(&bytes);
        }

        #[test]
        fn no_change_of_a_job_makes_it_panic(at in 0usize..300, byte in any::<u8>()) {
            let mut bytes = job("fn f() {}", "p").encode().expect("it is small");
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = QueueJob::decode(&bytes);
        }
    }

    #[test]
    fn what_is_too_large_does_not_travel() {
        let error = job(&"x".repeat(MOST_JOB_BYTES), "").encode().expect_err("it is too large");
        assert!(error.to_string().contains("a queue carries 67108864"), "{error}");
        assert!(QueueJob::decode(&vec![b' '; MOST_JOB_BYTES + 1]).is_err());
    }

    #[test]
    fn what_would_become_arguments_is_checked() {
        let text = String::from_utf8(job("a", "p").encode().expect("it is small")).expect("JSON");
        for (old, new) in [
            ("\"2021\"", "\"2021 -o x\""),
            ("\"2024\"", "\"9\""),
            ("clippy::all", "-Cx"),
            ("\"schema\":1", "\"schema\":2"),
            ("\"task_id\":\"t\"", "\"task_id\":\"u\""),
            ("\"prompt\":\"p\"", "\"prompt\":\"p\",\"more\":1"),
        ] {
            assert!(text.contains(old), "{old}");
            assert!(QueueJob::decode(text.replacen(old, new, 1).as_bytes()).is_err(), "{new}");
        }
    }
}
