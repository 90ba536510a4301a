//! Decoding of 4-bit weights, and products with them, on lavapipe.

use crate::{Cpu, Vulkan, assert_close, assert_equal, both, config, numbers, vulkan};
use burn::tensor::{DType, Int, Tensor, TensorData, backend::Backend};
use proptest::prelude::*;
use sigil_kernels::{FrozenMatrix, Kernels, QuantizedTensor, ScaleTensors, Vector, plain, random};

fn floats<B: Backend>(values: Vec<f32>, device: &B::Device) -> Vector<B> {
    let length = values.len();
    Tensor::from_data(TensorData::new(values, [length]), (device, DType::F32))
}

fn words<B: Backend>(count: usize, seed: u64, device: &B::Device) -> Tensor<B, 1, Int> {
    let words: Vec<u32> = (0..count as u64).map(|i| random::bits(seed, i) as u32).collect();
    Tensor::from_data(TensorData::new(words, [count]), (device, DType::U32))
}

/// Any words are valid codes, so random ones reach every level.
fn weight<B: Backend>(
    shape: [usize; 2],
    block_size: usize,
    nested: bool,
    seed: u64,
    device: &B::Device,
) -> QuantizedTensor<B> {
    let count = shape[0] * shape[1];
    let blocks = count.div_ceil(block_size);
    let scales = if nested {
        let group_size = 16;
        ScaleTensors::Nested {
            codes: words::<B>(blocks.div_ceil(4), seed ^ 1, device),
            absmax: floats(numbers(seed ^ 2, blocks.div_ceil(group_size)), device),
            levels: floats(numbers(seed ^ 3, 256), device),
            offset: 0.25,
            group_size,
        }
    } else {
        ScaleTensors::Plain(floats(numbers(seed ^ 4, blocks), device))
    };
    QuantizedTensor {
        shape,
        packed: words::<B>(count.div_ceil(8), seed, device),
        levels: std::array::from_fn(|i| i as f32 / 7.5 - 1.0),
        scales,
        block_size,
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn decodes(
        rows in 1usize..20,
        columns in 1usize..90,
        block_size in prop::sample::select(vec![8usize, 64, 128]),
        nested in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let Some(gpu) = vulkan() else { return Ok(()) };
        let shape = [rows, columns];
        let on_gpu = weight::<Vulkan>(shape, block_size, nested, seed, &gpu);
        let on_cpu = weight::<Cpu>(shape, block_size, nested, seed, &Default::default());
        let actual = Vulkan::dequantize(&on_gpu, DType::F32);
        let expected = plain::dequantize(&on_cpu, DType::F32);
        if nested {
            // The offset may be added in one rounding with the product.
            assert_close("decoded", actual, expected, 1e-6);
        } else {
            assert_equal("decoded", actual, expected);
        }
    }
}

/// One shape only: every other one makes Burn tune another matrix product.
#[test]
fn multiplies() {
    let Some(gpu) = vulkan() else { return };
    let (tokens, [rows, columns]) = (5, [24, 40]);
    let on_gpu = FrozenMatrix::Quantized(weight::<Vulkan>([rows, columns], 64, true, 1, &gpu));
    let cpu = Default::default();
    let on_cpu = FrozenMatrix::Quantized(weight::<Cpu>([rows, columns], 64, true, 1, &cpu));
    let (x, x_cpu) = both(2, [tokens, columns], &gpu);
    let (dy, dy_cpu) = both(3, [tokens, rows], &gpu);
    // Sums of up to 40 products, each up to a few units, in another order.
    let actual = Vulkan::linear(&x, &on_gpu, Some(dy.clone()));
    let expected = plain::linear(&x_cpu, &on_cpu, Some(dy_cpu.clone()));
    assert_close("linear", actual, expected, 1e-4);
    let actual = Vulkan::linear_backward(&dy, &on_gpu, Some(x));
    let expected = plain::linear_backward(&dy_cpu, &on_cpu, Some(x_cpu));
    assert_close("backward", actual, expected, 1e-4);
}
