//! Random tensors that are the same numbers on every backend.

use burn::tensor::{DType, Int, Tensor, TensorData, backend::Backend};

use crate::{Matrix, QuantizedTensor, ScaleTensors, SequenceLayout, Vector, random};

/// Normal numbers, a block of them repeated so that large tensors are made quickly, rounded to bf16
/// where `dtype` is that, so that both sides read the same.
pub(super) fn numbers(seed: u64, count: usize, dtype: DType) -> Vec<f32> {
    let block: Vec<f32> = (0..count.min(1 << 18) as u64).map(|i| random::normal(seed, i)).collect();
    // The block's length is no multiple of a row's: neighbouring rows differ.
    let block = &block[..block.len() - usize::from(block.len() == 1 << 18)];
    let round = |x: f32| if dtype == DType::BF16 { half::bf16::from_f32(x).to_f32() } else { x };
    block.iter().map(|&x| round(x)).cycle().take(count).collect()
}

pub(super) fn matrix<B: Backend>(
    seed: u64,
    shape: [usize; 2],
    dtype: DType,
    device: &B::Device,
) -> Matrix<B> {
    let values = numbers(seed, shape[0] * shape[1], dtype);
    Matrix::from_data(TensorData::new(values, shape), (device, DType::F32)).cast(dtype)
}

pub(super) fn vector<B: Backend>(seed: u64, length: usize, device: &B::Device) -> Vector<B> {
    let data = TensorData::new(numbers(seed, length, DType::F32), [length]);
    Tensor::from_data(data, (device, DType::F32))
}

/// An NF4 weight in bitsandbytes' layout with nested scales; any words are valid codes.
pub(super) fn quantized<B: Backend>(
    seed: u64,
    shape: [usize; 2],
    device: &B::Device,
) -> QuantizedTensor<B> {
    let count = shape[0] * shape[1];
    let blocks = count.div_ceil(64);
    let words = |seed: u64, count: usize| -> Tensor<B, 1, Int> {
        let block: Vec<u32> =
            (0..count.min(65_521) as u64).map(|i| random::bits(seed, i) as u32).collect();
        let words: Vec<u32> = block.iter().copied().cycle().take(count).collect();
        Tensor::from_data(TensorData::new(words, [count]), (device, DType::U32))
    };
    let scales = vec![0.02f32; blocks.div_ceil(256)];
    let levels: Vec<f32> = (0..256).map(|i| i as f32 / 127.5 - 1.0).collect();
    let floats = |values: Vec<f32>| -> Vector<B> {
        let length = values.len();
        Tensor::from_data(TensorData::new(values, [length]), (device, DType::F32))
    };
    QuantizedTensor {
        shape,
        packed: words(seed, count.div_ceil(8)),
        levels: std::array::from_fn(|i| i as f32 / 7.5 - 1.0),
        scales: ScaleTensors::Nested {
            codes: words(seed ^ 1, blocks.div_ceil(4)),
            absmax: floats(scales),
            levels: floats(levels),
            offset: 0.05,
            group_size: 256,
        },
        block_size: 64,
    }
}

/// Documents of the given lengths.
pub(super) fn layout<B: Backend>(lengths: &[usize], device: &B::Device) -> SequenceLayout<B> {
    let mut starts = vec![0u32];
    for &length in lengths {
        starts.push(starts[starts.len() - 1] + length as u32);
    }
    SequenceLayout::new(starts, device)
}
