//! Weights in panels: the forms they are kept in, and one panel as f32.

use burn::tensor::DType;
use half::bf16;
use rayon::prelude::*;

use super::{
    super::{
        lanes::vectorized,
        linear::{Scales, with_scratch},
        view::View,
    },
    WIDTH,
};
use crate::{Cpu, FrozenMatrix, Matrix, QuantizedTensor};

/// A frozen weight for generation on the CPU.
///
/// A panel is 32 outputs: `[in, 32]`, so that a vector register holds the weights of neighbouring
/// outputs. The last panel is filled up with zeros.
#[derive(Debug)]
pub struct Panels {
    pub(super) outputs: usize,
    pub(super) inputs: usize,
    form: Form,
}

/// How the numbers are kept.
#[derive(Debug)]
enum Form {
    F32(Vec<f32>),
    Bf16(Vec<bf16>),
    /// `codes [panels][in][16 bytes]`: output `j` in the low nibble of byte `j`, output `j + 16` in
    /// the high one; `scales [panels][in / block][32]`.
    FourBit {
        codes: Vec<u8>,
        scales: Vec<f32>,
        levels: [f32; 16],
        block: usize,
    },
}

impl Panels {
    /// Repacks a weight.
    ///
    /// 4-bit weights whose rows are no whole number of blocks are decoded to f32: a panel could not
    /// keep one scale for several inputs.
    pub(in crate::flex) fn of(weight: FrozenMatrix<Cpu>) -> Self {
        let [outputs, inputs] = weight.shape();
        let form = match weight {
            FrozenMatrix::Dense(weight) => dense(&weight),
            FrozenMatrix::Quantized(weight) if inputs.is_multiple_of(weight.block_size) => {
                four_bit(&weight)
            }
            FrozenMatrix::Quantized(weight) => dense(&super::super::linear::dequantize(&weight)),
        };
        Self { outputs, inputs, form }
    }

    /// Calls `f` with panel `index` as f32, `[in, 32]`.
    pub(super) fn with_panel<R>(&self, index: usize, f: impl FnOnce(&[f32]) -> R) -> R {
        let size = self.inputs * WIDTH;
        match &self.form {
            Form::F32(all) => f(&all[index * size..(index + 1) * size]),
            Form::Bf16(all) => with_scratch(size, |scratch| {
                let panel = &all[index * size..(index + 1) * size];
                vectorized(|| {
                    for (out, value) in scratch.iter_mut().zip(panel) {
                        *out = f32::from_bits(u32::from(value.to_bits()) << 16);
                    }
                });
                f(scratch)
            }),
            Form::FourBit { codes, scales, levels, block } => with_scratch(size, |scratch| {
                let codes = &codes[index * size / 2..(index + 1) * size / 2];
                let scales = &scales[index * size / block..(index + 1) * size / block];
                vectorized(|| decode(codes, scales, levels, *block, scratch));
                f(scratch)
            }),
        }
    }
}

/// `level[code] * scale`, one rounding, as [`crate::Kernels::dequantize`].
#[inline(always)]
fn decode(codes: &[u8], scales: &[f32], levels: &[f32; 16], block: usize, out: &mut [f32]) {
    let blocks = out.chunks_exact_mut(block * WIDTH).zip(codes.chunks_exact(block * WIDTH / 2));
    for ((out, codes), scales) in blocks.zip(scales.as_chunks::<WIDTH>().0) {
        let (low, high) = scales.split_at(WIDTH / 2);
        let rows = out.as_chunks_mut::<WIDTH>().0.iter_mut();
        for (out, codes) in rows.zip(codes.as_chunks::<{ WIDTH / 2 }>().0) {
            for j in 0..WIDTH / 2 {
                out[j] = levels[usize::from(codes[j] & 15)] * low[j];
                out[j + WIDTH / 2] = levels[usize::from(codes[j] >> 4)] * high[j];
            }
        }
    }
}

/// bf16 stays bf16, and so does f32 that holds nothing but bf16 numbers (half the memory to read).
fn dense(weight: &Matrix<Cpu>) -> Form {
    let [outputs, inputs] = weight.dims();
    let view = View::of(weight);
    match view.dtype() {
        DType::BF16 => Form::Bf16(panels(view.slice(), outputs, inputs)),
        DType::F32 => {
            let values: &[f32] = view.slice();
            if values.iter().all(|value| value.to_bits() & 0xFFFF == 0) {
                let short: Vec<bf16> = values.iter().map(|&value| bf16::from_f32(value)).collect();
                Form::Bf16(panels(&short, outputs, inputs))
            } else {
                Form::F32(panels(values, outputs, inputs))
            }
        }
        _ => {
            let wide = View::of(&weight.clone().cast(DType::F32));
            Form::F32(panels(wide.slice(), outputs, inputs))
        }
    }
}

fn panels<T: Copy + Default + Send + Sync>(rows: &[T], outputs: usize, inputs: usize) -> Vec<T> {
    let mut all = vec![T::default(); outputs.div_ceil(WIDTH) * inputs * WIDTH];
    all.par_chunks_mut(inputs * WIDTH).enumerate().for_each(|(index, panel)| {
        for j in 0..WIDTH.min(outputs - index * WIDTH) {
            let row = &rows[(index * WIDTH + j) * inputs..][..inputs];
            for (k, &value) in row.iter().enumerate() {
                panel[k * WIDTH + j] = value;
            }
        }
    });
    all
}

fn four_bit(weight: &QuantizedTensor<Cpu>) -> Form {
    let [outputs, inputs] = weight.shape;
    let block = weight.block_size;
    let packed = View::of_ints(&weight.packed);
    let packed: &[u8] = bytemuck::cast_slice(packed.slice::<u32>());
    let source = Scales::of(&weight.scales);
    let count = outputs.div_ceil(WIDTH);
    let mut codes = vec![0u8; count * inputs * WIDTH / 2];
    let mut scales = vec![0.0f32; count * inputs / block * WIDTH];
    let parts = codes.chunks_exact_mut(inputs * WIDTH / 2);
    let parts = parts.zip(scales.chunks_exact_mut(inputs / block * WIDTH));
    for (index, (codes, scales)) in parts.enumerate() {
        for j in 0..WIDTH.min(outputs - index * WIDTH) {
            let first = (index * WIDTH + j) * inputs;
            for k in 0..inputs {
                let byte = packed[(first + k) / 2];
                let code = if (first + k).is_multiple_of(2) { byte >> 4 } else { byte & 15 };
                let at = k * (WIDTH / 2) + j % (WIDTH / 2);
                codes[at] |= if j < WIDTH / 2 { code } else { code << 4 };
            }
            for k in 0..inputs / block {
                scales[k * WIDTH + j] = source.at(first / block + k);
            }
        }
    }
    Form::FourBit { codes, scales, levels: weight.levels, block }
}
