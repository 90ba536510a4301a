//! Judging many jobs, by this process or by workers elsewhere, and what travels between these.
//!
//! [`Judges`] is the one door: [`InProcess`] is the judge of this process, [`Remote`] a coordinator whose
//! jobs are [carried](Carrier) to workers. A job holds everything that its verdict depends on, so its name
//! is the digest of its bytes: two equal jobs are one. Whoever reads one of these from a queue reads bytes
//! from elsewhere: sizes are capped and every field is checked. How they travel is not known here: the
//! `sigil-eval` program joins this to `sigil-queue`. Start at `judges.rs`, then `remote.rs` and `job.rs`.

mod identity;
mod job;
mod judges;
mod remote;
mod reply;
mod wire_task;

pub use identity::{AskedOptions, JudgeIdentity};
pub use job::{MOST_JOB_BYTES, QueueJob, key_of};
pub use judges::{InProcess, Judges};
pub use remote::{Carrier, Remote};
pub use reply::{MOST_REPLY_BYTES, Outcome, QueueReply};
