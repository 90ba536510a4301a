//! The order in which rows of several sources come, and how it is shuffled.
//!
//! Is: interleaving and shuffling with the results of Hugging Face `datasets` 5.2, as functions of
//! a seed, over anything that can hand out rows one by one. Is not: a reader of rows (`sources`) or
//! an arrangement of tokens (`pack.rs`). Next: `interleave.rs`, then `shuffle.rs`;
//! `numpy_random.rs` is the generator that both need.

mod interleave;
mod numpy_random;
mod shuffle;

pub use interleave::{Feed, InterleaveError, Interleaver, Mixture, RoundRule, Stop};
pub use numpy_random::NumpyRandom;
pub use shuffle::{BufferShuffle, Shuffle, full_shuffle};
