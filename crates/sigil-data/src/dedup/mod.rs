//! Removal of rows that repeat others.
//!
//! Is: exact duplicates (white space aside) and near duplicates (MinHash, Jaccard of about 0.7),
//! inside one set and against a held-out one. Is not: decontamination against benchmarks. Next:
//! `signature.rs` for what is compared, `index.rs` for the look-up, `remove.rs` for the passes.

mod index;
mod remove;
mod signature;

pub use index::{Match, NearIndex};
pub use remove::{remove_duplicates, remove_near_held_out};
pub use signature::{Fingerprint, MATCH_FRACTION};
