//! What became of the rows of a dataset, in numbers that can be added up.
//!
//! A [`Telemetry`] belongs to whoever judges; each thread or machine keeps its own, and they are
//! merged afterwards, in any order, to the same result. Next: `counters.rs`, `histogram.rs`; the
//! others write.

mod counters;
mod csv;
mod histogram;
#[cfg(feature = "serde")]
mod json;
mod table;

pub use counters::{Counters, Telemetry};
pub use histogram::Histogram;
#[cfg(feature = "serde")]
pub use json::TelemetryError;
