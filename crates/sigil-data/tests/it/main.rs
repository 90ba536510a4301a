//! Tests of the data pipeline through its public interface, on real files.

mod cache;
mod fixture;
mod hub;
mod pipeline;
mod registry;
mod sources;
mod stream;
mod tokenizer;
