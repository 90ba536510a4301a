//! Runs programs that nobody vouches for, inside limits, and reports how they ended.
//!
//! A [`Job`] names a program, the folders it may see ([`Root`]), its input files and its [`Limits`];
//! a [`Pool`] runs jobs in parallel and answers each with an [`Outcome`], or with [`Infra`] when the
//! sandbox itself failed and nothing can be said about the program.
//!
//! ```no_run
//! use sigil_sandbox::{Job, Root, Selection, select};
//!
//! let verified = select(&Selection::default())?;
//! let pool = verified.pool(2);
//! let root = Root::system();
//! let outcome = pool.run(&Job::new(&root, "/usr/bin/true"))?;
//! assert!(outcome.ended.is_success());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A pool is made only from a [`Verified`] backend: one whose [canaries](CanaryReport), small programs
//! that try to get out, all failed to, here and now. There is no backend that runs a program without
//! a sandbox, and none is chosen silently for being weaker: see [`Selection::allow_reduced`].
//!
//! This crate knows nothing of Rust or of models, and decides nothing about what a program printed.
//! Next: `job.rs` for what can be asked, `backend.rs` for who runs it, `init/main.rs` for the small
//! program that runs inside, `docs/concepts/threat-model.md` for what all this is worth.

mod affinity;
mod backend;
mod bubblewrap;
mod canary;
mod cgroup;
mod cgroup_map;
mod container;
#[cfg(feature = "controls")]
pub mod controls;
mod embedded;
mod engine;
mod error;
mod filter;
mod filter_program;
mod firejail;
mod foreign;
#[cfg(test)]
#[expect(
    dead_code,
    reason = "the library's tests call parts of the helper; its own build calls all"
)]
mod init;
mod job;
mod landlock;
mod leftovers;
mod meeting;
mod message;
mod native;
mod outcome;
mod owner;
mod plan;
mod pool;
mod reduced;
mod root;
mod select;
mod supervise;
#[path = "init/wire.rs"]
#[cfg_attr(
    not(feature = "controls"),
    expect(dead_code, reason = "only the controls name every layer; the helper knows all of them")
)]
mod wire;

pub use backend::{
    Backend, Canary, CanaryReport, CanaryResult, Capabilities, CgroupControl, Slot, Tier,
};
pub use bubblewrap::Bubblewrap;
pub use container::Container;
pub use embedded::policy_digest;
pub use error::{Infra, Refusal, Refused, Unavailable};
pub use firejail::Firejail;
pub use job::{Channel, InputFile, Job, Limits, OutputFile};
pub use leftovers::{Leftovers, leftovers};
pub use native::Native;
pub use outcome::{Captured, Ended, Outcome, TakenFile, Usage};
pub use pool::{Pool, Verified};
pub use reduced::Reduced;
pub use root::{Link, Mount, Root, RootFile};
pub use select::{Selection, backends, select, verify};
