//! What a run measured: `metrics.jsonl` and TensorBoard event files, one curve across resumes.
//!
//! Knows no schedule and prints nothing; the training loop decides when a row is logged and passes
//! the wall time in. Read `writer.rs` next, then `row.rs` (one line) and `events.rs` (the bytes
//! TensorBoard reads).

mod append;
mod events;
mod reader;
mod record_format;
mod row;
mod writer;

pub use events::EventFileWriter;
pub use reader::{MetricsFile, MetricsLineError};
pub use row::MetricsRow;
pub use writer::{MetricsWriter, ResumePoint};
