//! Models from the Hugging Face Hub, or from a mirror of it.
//!
//! Is: the files a base model needs, in the cache layout that Python's `huggingface_hub` shares,
//! with sizes and hashes checked. Is not: datasets, uploads, or resuming inside a file yet. Next:
//! `fetch.rs`; `client.rs` is the only file that knows the `hf-hub` crate.

mod client;
mod error;
mod fetch;

pub use error::HubError;
pub use fetch::{HubSettings, fetch_model};
