//! The operations of a decoder layer, forward and backward, on every Burn backend.
//!
//! [`Kernels`] is the list of operations. Each has a plain version made of Burn tensor operations
//! (module [`plain`]) that runs on any backend and is the definition of what the operation means;
//! [`burn_flex::Flex`] (the CPU) and CUDA override the ones that matter with code of their own, and
//! the tests hold every override against the plain version, and the plain version against Burn's
//! autodiff.
//!
//! [`Decoding`] adds what generation needs: rows that do not see each other, and cached attention.
//!
//! This crate knows no model structure and no training loop. Read [`kernels`] next.
#![recursion_limit = "256"]

pub mod cube;
pub mod cuda;
pub mod decoding;
pub mod device;
mod flex;
pub mod kernels;
pub mod layout;
pub mod matrix;
pub mod operands;
pub mod pages;
pub mod plain;
pub mod random;
pub mod softmax;
pub mod trial;

pub use cube::Gpu;
pub use decoding::{CacheShape, CachedRows, ChoiceSettings, Decoding, RowChoice, Span};
pub use flex::{CpuCache, Panels};
pub use kernels::Kernels;
pub use layout::{RotaryTable, SequenceLayout};
pub use matrix::{FourBitCode, FrozenMatrix, QuantizedBlocks, QuantizedTensor, ScaleTensors};
pub use operands::{
    AdamW, AdaptedLayer, AdaptedOutput, AttentionShape, DeviceMemory, HeadLoss, LoraInput, Product,
    TrainedMatrix,
};
pub use pages::{Beginning, Pages, SlotCopy};

/// A matrix of activations or weights, `[rows, columns]`, in the backend's float type.
pub type Matrix<B> = burn::tensor::Tensor<B, 2>;
/// A vector of floats.
pub type Vector<B> = burn::tensor::Tensor<B, 1>;
/// A vector of 32-bit integers.
pub type IntVector<B> = burn::tensor::Tensor<B, 1, burn::tensor::Int>;
/// Element types, and the handle of a CUDA device: programs name them without naming Burn.
pub use burn::tensor::DType;
pub use burn_cuda::CudaDevice;
/// The CPU backend.
pub type Cpu = burn_flex::Flex;
