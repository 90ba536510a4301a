//! Frozen weights as the kernels read them: dense, or 4-bit codes with their scales.
//!
//! The file format and the encoder are in `sigil-weights`; here lie only device tensors.

use burn::tensor::{DType, Int, Tensor, backend::Backend};

use crate::{Matrix, Vector};

/// A frozen weight `[out_features, in_features]`.
#[derive(Clone, Debug)]
pub enum FrozenMatrix<B: Backend> {
    /// As it is, f32 or bf16.
    Dense(Matrix<B>),
    /// 4-bit codes, decoded on the fly.
    Quantized(QuantizedTensor<B>),
}

/// A 4-bit block-quantized weight in bitsandbytes' layout.
///
/// Weights are flattened row by row; element `2j` is the high nibble of byte `j`, element `2j + 1`
/// the low one; four bytes make a little-endian u32 word.
#[derive(Clone, Debug)]
pub struct QuantizedTensor<B: Backend> {
    /// `[out_features, in_features]`.
    pub shape: [usize; 2],
    /// Codes, `[ceil(out * in / 8)]`, u32.
    pub packed: Tensor<B, 1, Int>,
    /// The 16 levels.
    pub levels: [f32; 16],
    /// One scale a block.
    pub scales: ScaleTensors<B>,
    /// Weights that share a scale.
    pub block_size: usize,
}

/// A 4-bit code as an encoder reads it: a number divided by its block's scale gets the code in `order`
/// after as many others as there are midpoints below it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FourBitCode {
    /// Midpoints between neighbouring values, ascending.
    pub midpoints: [f32; 15],
    /// The codes in ascending order of their values.
    pub order: [u8; 16],
}

/// A matrix cut into blocks of 64 numbers, row by row, and quantized.
#[derive(Clone, Debug)]
pub struct QuantizedBlocks<B: Backend> {
    /// Codes as in [`QuantizedTensor::packed`].
    pub packed: Tensor<B, 1, Int>,
    /// Largest magnitude of each block, `[blocks]`, f32; an infinity or a not-a-number where there is one
    /// in the block.
    pub absmax: Vector<B>,
}

/// The scales of a [`QuantizedTensor`].
#[derive(Clone, Debug)]
pub enum ScaleTensors<B: Backend> {
    /// Largest magnitude of each block, `[blocks]`, f32.
    Plain(Vector<B>),
    /// Quantized to 8 bits a second time ("double quantization").
    Nested {
        /// Codes, four to a little-endian u32 word, `[ceil(blocks / 4)]`.
        codes: Tensor<B, 1, Int>,
        /// Scale of each group of `group_size` codes, f32.
        absmax: Vector<B>,
        /// The 256 levels of the codes, f32.
        levels: Vector<B>,
        /// Added after decoding.
        offset: f32,
        /// Codes that share an `absmax`.
        group_size: usize,
    },
}

impl<B: Backend> FrozenMatrix<B> {
    /// `[out_features, in_features]`.
    pub fn shape(&self) -> [usize; 2] {
        match self {
            Self::Dense(weight) => weight.dims(),
            Self::Quantized(weight) => weight.shape,
        }
    }

    /// Bytes that the weight takes on the device.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Dense(weight) => {
                let [rows, columns] = weight.dims();
                rows * columns * if weight.dtype() == DType::F32 { 4 } else { 2 }
            }
            Self::Quantized(weight) => {
                let scales = match &weight.scales {
                    ScaleTensors::Plain(absmax) => absmax.dims()[0] * 4,
                    ScaleTensors::Nested { codes, absmax, levels, .. } => {
                        (codes.dims()[0] + absmax.dims()[0] + levels.dims()[0]) * 4
                    }
                };
                weight.packed.dims()[0] * 4 + scales
            }
        }
    }
}
