//! What travels between a coordinator and workers on other machines: jobs and replies as bytes.
//!
//! A job holds everything that its verdict depends on, so its name is the digest of its bytes: two equal
//! jobs are one. Whoever reads one of these from a queue reads bytes from elsewhere: sizes are capped and
//! every field is checked. How they travel is not known here; the `sigil-eval` program does that. Start at
//! `job.rs`.

mod identity;
mod job;
mod reply;
mod wire_task;

pub use identity::{AskedOptions, JudgeIdentity};
pub use job::{MOST_JOB_BYTES, QueueJob, key_of};
pub use reply::{MOST_REPLY_BYTES, QueueReply};
