//! Tests of the data pipeline through its public interface, on real files.
#![expect(clippy::print_stderr, reason = "a test prints what it counted")]

mod benchmarks;
mod chat;
mod disguises;
#[path = "../../../../tests/fake_hub/mod.rs"]
mod fake_hub;
mod fixture;
mod golden;
mod hub;
mod hub_datasets;
mod pipeline;
mod predecessor;
mod registry;
mod sources;
mod stream;
mod streaming;
mod tokenizer;
