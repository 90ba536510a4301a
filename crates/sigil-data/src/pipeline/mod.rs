//! From sources to the rows of an epoch, in their order.
//!
//! Is: reading, judging, comparing, mixing and shuffling as one chain that is pulled row by row, so
//! that a stream needs little memory and starts at once, and a cached run, which pulls the same
//! chain to its end first, gets the same rows in the same order. Is not: tokens (`stream.rs`).
//! Next: `plan.rs` for what is asked, `feed.rs` for the chain, `supply.rs` for epochs, `kept.rs`
//! and `cache.rs` for rows that are kept.

mod cache;
mod error;
mod feed;
mod held_out;
mod kept;
mod plan;
mod shard;
mod share;
mod supply;

pub use cache::{
    CacheEntry, CachedRows, PlaceFile, PruneReport, RowCache, list_caches, prune_caches,
    verify_cache,
};
pub use error::PipelineError;
pub use held_out::{HeldOutRows, collect_held_out};
pub use kept::KeptRows;
pub use plan::{HoldOutBy, HoldOutRule, RowPlan};
pub use share::GroupLimits;
pub use supply::RowSupply;
