//! What becomes of a trained adapter: looked at, compared, merged, exported, published.
//!
//! | module | is |
//! |---|---|
//! | [`subject`] | what a path is: a run, an adapter, a model, a GGUF file |
//! | [`inspect`] | the facts about it |
//! | [`difference`] | two adapters, module by module |
//! | [`norms`] | sizes of low-rank updates, without making them |
//! | [`tensors`] | the tensors of a base with an adapter added, one at a time |
//! | [`merge`] | these as safetensors shards |
//! | [`gguf`] | these as a GGUF file, and reading one |
//! | [`card`] | results in a model card that somebody may have edited |
//! | [`push`] | folders to the Hub |
//! | [`run_report`] | a run as a page for a browser |
//!
//! It knows no tensor library: whether a merged model computes what it should is seen by the program,
//! which has one. Nothing is printed and no environment is read. Start at [`tensors`].

pub mod card;
pub mod difference;
mod error;
pub mod files;
pub mod gguf;
pub mod inspect;
pub mod merge;
pub mod norms;
pub mod push;
pub mod run_report;
pub mod subject;
pub mod tensors;

pub use error::AdapterError;
