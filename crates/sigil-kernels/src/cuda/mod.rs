//! Kernels in CUDA C++ (`*.cu`), for what CubeCL's own language does not reach on tensor cores:
//! matrix products with the LoRA branch inside, attention forward and backward, and the products, the
//! attention and the choice of tokens of generation; and for what it has no words for: a launch over many
//! tensors, and the exact quotients that quantizing needs.
//!
//! They run on CubeCL's stream and buffers, so they mix freely with the kernels of [`crate::cube`].
//! Each is compiled at run time for the card at hand and needs compute capability 8.0; what they do
//! not cover (other element types, odd shapes, other vendors) stays with CubeCL and Burn. Without a
//! card they are tested by `tests/cuda` (run on the CPU) and `tests/lavapipe` (compiled by NVRTC).
//! Read `source.rs` next.

pub(crate) mod attention;
pub mod catalogue;
pub(crate) mod choosing;
pub(crate) mod decoding;
pub(crate) mod native;
pub(crate) mod optimizer;
pub(crate) mod product;
pub(crate) mod quantize;
pub mod ranks;
pub mod source;
pub mod tiles;

pub use native::{Card, Family, Native, fix_products, leave_out, products_are_fixed};
pub use ranks::{CollectiveError, DeviceGroup, new_group_id};
