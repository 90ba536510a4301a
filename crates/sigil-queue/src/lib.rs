//! Carries named bytes to workers on other machines, and one answer each back, over NATS JetStream.
//!
//! A coordinator [asks](Server::ask) for a [`Run`]: a set of jobs, each named by the digest of its bytes.
//! Workers [take](Desk::take) jobs of the groups that they can serve and [answer](Delivery::answer) them.
//! Workers, the server and the coordinator may be killed at any time: no job is lost, and the first
//! answer to a job is the only one, because the server itself refuses a second.
//!
//! What the bytes mean is not known here, and nothing is printed. This is the only place that knows tokio;
//! all that is public blocks. Start at `names.rs` for what lies on the server, then `run.rs` and `desk.rs`;
//! `docs/concepts/queue.md` says why it is so.

mod access;
mod address;
mod desk;
mod error;
mod names;
mod overview;
mod presence;
mod run;
mod server;

pub use access::{Access, Credentials};
pub use address::Address;
pub use desk::{Answered, Delivery, Desk};
pub use error::QueueError;
pub use names::{MOST_ANSWER_BYTES, MOST_JOB_BYTES, key_of};
pub use overview::{Overview, RunOverview};
pub use run::{Heard, Run};
pub use server::Server;
