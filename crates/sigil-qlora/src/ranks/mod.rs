//! Several processes, one a device, that share each step: data parallel training.
//!
//! The first process has everything: rows, run folder, screen, decisions. It hands the others batches and
//! orders over pipes; they hold the same model and the same optimizer state, and answer with gradients
//! and losses. A step's micro-batches are dealt out in turn and every random mask follows from the
//! micro-batch's number in the step, so the batch of a step is the one that a single process would
//! compute, and the result differs from it only by the order in which gradients are added. Gradients are
//! summed by NCCL between GPUs where it can be loaded, else in host memory in the order of the processes.
//!
//! How the processes are started is not here: a [`Channel`] is any pair of byte streams, and tests run
//! all ranks as threads of one process. Read `wire.rs`, then `team.rs` and `follower.rs`, its two sides.

mod flat;
mod follower;
mod team;
mod wire;

pub use follower::follow;
pub use team::Team;
pub(crate) use wire::MicroLoss;
pub use wire::{Channel, Loading, RanksError};
