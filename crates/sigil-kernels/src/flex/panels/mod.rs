//! Products for generation: weights in panels of 32 outputs, each output one chain of additions.
//!
//! An element of the result is `Σ x[k] · w[k]` with fused multiply-adds in the order of `k`, in
//! chunks of 256, whatever the number of rows: a vector register holds neighbouring *outputs*, so
//! that blocking by rows, tasks and the width of the registers change no bit. Nothing is decoded
//! more often than once per call and 64 rows. Read `product.rs` next.

mod pack;
mod product;

pub use pack::Panels;
pub(super) use product::row_linear;

/// Outputs of a panel.
const WIDTH: usize = 32;
