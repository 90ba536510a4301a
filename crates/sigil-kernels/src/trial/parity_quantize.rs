//! Quantizing beside the host, where not one bit may differ: a case of `parity.rs`.

use burn::tensor::{DType, TensorData};

use super::{inputs::numbers, parity::worst};
use crate::{FourBitCode, Kernels, Matrix, plain};

/// A code whose values lie evenly, but for the order of its bits.
pub(super) const CODE: FourBitCode = FourBitCode {
    midpoints: [
        -0.9, -0.75, -0.6, -0.5, -0.4, -0.3, -0.15, 0.0, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9,
    ],
    order: [15, 14, 13, 12, 11, 10, 9, 8, 0, 1, 2, 3, 4, 5, 6, 7],
};

/// Numbers of every type with a last block that is not full, a block of zeros and one of numbers below
/// all normal ones: how many words and scales differ.
pub(super) fn quantize<B: Kernels>(device: &B::Device) -> f64 {
    let shape = [131, 97];
    let mut values = numbers(1, shape[0] * shape[1], DType::F32);
    values[64..128].fill(0.0);
    values[128..192].iter_mut().for_each(|x| *x *= 1e-39);
    worst([DType::F32, DType::BF16, DType::F16].map(|dtype| {
        let data = TensorData::new(values.clone(), shape).convert_dtype(dtype);
        let weight = Matrix::<B>::from_data(data, (device, dtype));
        let (found, wanted) = (B::quantize_blocks(&weight, &CODE), plain::quantize(&weight, &CODE));
        let words: [Vec<u32>; 2] =
            [found.packed, wanted.packed].map(|words| words.into_data().iter::<u32>().collect());
        let scales = [found.absmax, wanted.absmax]
            .map(|scales| scales.into_data().iter::<f32>().map(f32::to_bits).collect());
        (differing(&words) + differing(&scales)) as f64
    }))
}

fn differing([found, wanted]: &[Vec<u32>; 2]) -> usize {
    if found.len() == wanted.len() {
        found.iter().zip(wanted).filter(|(found, wanted)| found != wanted).count()
    } else {
        found.len().max(wanted.len())
    }
}
