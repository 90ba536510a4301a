//! The operations as CubeCL kernels: CUDA C++ through NVRTC on NVIDIA cards, SPIR-V in the tests.
//!
//! Each kernel computes in f32 and rounds where [`crate::plain`] rounds, so the two agree to the
//! order of the additions. Matrix products are those of [`crate::cuda`], or Burn's. Nothing here knows
//! a model; a shape that no kernel covers goes to the plain version.
//!
//! The kernels are public so that their generated CUDA can be compiled without a card
//! (`tests/lavapipe`). [`buffer`] holds what all launches share; read `backend.rs` for the list of
//! overrides and `attention_forward.rs` for the longest kernel.
#![expect(missing_docs, reason = "the launch modules that #[cube] generates carry no docs")]

mod attention;
pub mod attention_backward;
pub mod attention_forward;
mod backend;
pub mod buffer;
pub mod cross_entropy;
mod decoding;
pub mod dequantize;
pub mod elementwise;
pub mod embedding;
mod linear;
mod memory;
pub mod norm;
pub mod optimizer;
pub mod random;
pub mod reduce;
pub mod rotary;
pub mod swiglu;

pub use buffer::On;

/// The CUDA backend: no fusion, so that a tensor is a buffer and a launch happens when called.
pub type Gpu = On<cubecl::cuda::CudaRuntime>;
