//! Models and datasets from the Hugging Face Hub, or from a mirror of it.
//!
//! Is: the files a base model or a dataset's split consists of, in the cache layout that Python's
//! `huggingface_hub` shares, with sizes and hashes checked. Is not: uploads. Next: `fetch.rs` for
//! models, `dataset.rs` for datasets; `client.rs` is the only file that knows the `hf-hub` crate.

mod client;
mod dataset;
mod error;
mod fetch;
mod split_files;

pub use dataset::{DatasetRequest, FetchProgress, FetchedDataset, fetch_dataset};
pub use error::HubError;
pub use fetch::{HubSettings, fetch_model};
