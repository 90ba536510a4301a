//! Fresh weights: PEFT's LoRA initialization, and a whole new model.
//!
//! All numbers come from counter-based streams, so a seed gives the same weights on every machine.

use burn::tensor::{DType, TensorData, backend::Backend};
use sigil_kernels::{Matrix, random};

/// `kaiming_uniform(a = sqrt(5))` as PEFT draws LoRA's A: uniform in `±1 / sqrt(in_features)`.
pub fn lora_a<B: Backend>(
    shape: [usize; 2],
    seed: u64,
    index: u64,
    device: &B::Device,
) -> Matrix<B> {
    let stream = random::derive(seed, &[3, index]);
    let bound = 1.0 / (shape[1] as f32).sqrt();
    let count = (shape[0] * shape[1]) as u64;
    let values = (0..count).map(|i| random::uniform(stream, i, bound)).collect();
    matrix(values, shape, device)
}

/// Normal numbers with the given standard deviation.
pub fn normal<B: Backend>(
    shape: [usize; 2],
    deviation: f32,
    seed: u64,
    index: u64,
    device: &B::Device,
) -> Matrix<B> {
    let stream = random::derive(seed, &[4, index]);
    let count = (shape[0] * shape[1]) as u64;
    let values = (0..count).map(|i| random::normal(stream, i) * deviation).collect();
    matrix(values, shape, device)
}

fn matrix<B: Backend>(values: Vec<f32>, shape: [usize; 2], device: &B::Device) -> Matrix<B> {
    Matrix::from_data(TensorData::new(values, shape), (device, DType::F32))
}
