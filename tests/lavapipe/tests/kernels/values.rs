//! The same numbers on both backends.

use burn::tensor::{DType, TensorData, backend::Backend};
use burn_wgpu::WgpuDevice;
use sigil_kernels::{Matrix, SequenceLayout, Vector, random};

use crate::{Cpu, Vulkan};

/// `count` normal numbers of the stream `seed`.
pub(crate) fn numbers(seed: u64, count: usize) -> Vec<f32> {
    (0..count as u64).map(|i| random::normal(seed, i)).collect()
}

fn matrix<B: Backend>(values: &[f32], shape: [usize; 2], device: &B::Device) -> Matrix<B> {
    Matrix::from_data(TensorData::new(values.to_vec(), shape), (device, DType::F32))
}

fn vector<B: Backend>(values: &[f32], device: &B::Device) -> Vector<B> {
    Vector::from_data(TensorData::new(values.to_vec(), [values.len()]), (device, DType::F32))
}

/// A matrix of normal numbers on both backends.
pub(crate) fn both(
    seed: u64,
    shape: [usize; 2],
    gpu: &WgpuDevice,
) -> (Matrix<Vulkan>, Matrix<Cpu>) {
    let values = numbers(seed, shape[0] * shape[1]);
    (matrix(&values, shape, gpu), matrix(&values, shape, &Default::default()))
}

/// A vector on both backends.
pub(crate) fn both_vectors(values: &[f32], gpu: &WgpuDevice) -> (Vector<Vulkan>, Vector<Cpu>) {
    (vector(values, gpu), vector(values, &Default::default()))
}

/// Documents of the given lengths on both backends.
pub(crate) fn layouts(
    lengths: &[usize],
    gpu: &WgpuDevice,
) -> (SequenceLayout<Vulkan>, SequenceLayout<Cpu>) {
    let mut starts = vec![0u32];
    for &length in lengths {
        starts.push(starts[starts.len() - 1] + length as u32);
    }
    (SequenceLayout::new(starts.clone(), gpu), SequenceLayout::new(starts, &Default::default()))
}
