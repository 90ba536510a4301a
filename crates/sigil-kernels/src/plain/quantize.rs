//! Quantizing on the host: what [`crate::Kernels::quantize_blocks`] computes.

use burn::tensor::{DType, Tensor, TensorData, backend::Backend};

use crate::{FourBitCode, Matrix, QuantizedBlocks};

/// Numbers that share a scale.
const BLOCK: usize = 64;
/// Least number that is divided by: an empty block has a scale of 0 and codes of zeros.
const LEAST: f32 = 1e-38;

/// See [`crate::Kernels::quantize_blocks`].
pub fn quantize<B: Backend>(weight: &Matrix<B>, code: &FourBitCode) -> QuantizedBlocks<B> {
    let device = weight.device();
    let numbers: Vec<f32> = weight.to_data().iter::<f32>().collect();
    let encode = |x: f32| code.order[code.midpoints.iter().filter(|&&point| x > point).count()];
    let (mut bytes, mut scales) = (vec![], vec![]);
    for block in numbers.chunks(BLOCK) {
        // Ordered as integers, infinity and not-a-number are above all numbers.
        let bits = block.iter().map(|x| x.abs().to_bits()).max().unwrap_or(0);
        let largest = f32::from_bits(bits);
        let divisor = if largest.is_nan() { largest } else { largest.max(LEAST) };
        let inverse = 1.0 / divisor;
        let full = block.len() == BLOCK;
        let scaled = |x: f32| if full { x * inverse } else { x / divisor };
        bytes.extend(block.chunks(2).map(|pair| {
            let [high, low] = [pair[0], pair.get(1).copied().unwrap_or(0.0)].map(scaled);
            encode(high) << 4 | encode(low)
        }));
        scales.push(if full { largest } else { divisor });
    }
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    let (parts, _) = bytes.as_chunks::<4>();
    let words: Vec<u32> = parts.iter().map(|part| u32::from_le_bytes(*part)).collect();
    let (count, blocks) = (words.len(), scales.len());
    QuantizedBlocks {
        packed: Tensor::from_data(TensorData::new(words, [count]), (&device, DType::U32)),
        absmax: Tensor::from_data(TensorData::new(scales, [blocks]), (&device, DType::F32)),
    }
}
