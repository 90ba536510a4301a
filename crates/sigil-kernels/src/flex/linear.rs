//! Frozen linear layers: 4-bit or bf16 weights decoded into a scratch buffer, then one product.

use std::cell::RefCell;

use burn::tensor::DType;
use half::bf16;
use rayon::prelude::*;

use super::{
    gemm::{Strided, Write, product_into, product_new},
    lanes::vectorized,
    view::{Owned, View, matrix},
};
use crate::{Cpu, FrozenMatrix, Matrix, QuantizedTensor, ScaleTensors};

thread_local! {
    /// One decoded weight, reused by every layer.
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Calls `f` with the weight as f32 rows.
pub(super) fn with_weight<R>(weight: &FrozenMatrix<Cpu>, f: impl FnOnce(&[f32]) -> R) -> R {
    match weight {
        FrozenMatrix::Dense(weight) => {
            let view = View::of(weight);
            if view.dtype() == DType::F32 {
                return f(view.slice());
            }
            let weight = View::of(&weight.clone().cast(DType::BF16));
            let source: &[bf16] = weight.slice();
            with_scratch(source.len(), |scratch| {
                widen(source, scratch);
                f(scratch)
            })
        }
        FrozenMatrix::Quantized(weight) => {
            with_scratch(weight.shape[0] * weight.shape[1], |scratch| {
                decode(weight, scratch);
                f(scratch)
            })
        }
    }
}

pub(super) fn with_scratch<R>(length: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    // Taken out while in use, so that a task stolen by this thread meanwhile finds an empty one.
    let mut scratch = SCRATCH.take();
    if scratch.len() < length {
        scratch.resize(length, 0.0);
    }
    let result = f(&mut scratch[..length]);
    SCRATCH.replace(scratch);
    result
}

/// bf16 to f32, exactly.
fn widen(source: &[bf16], out: &mut [f32]) {
    const PART: usize = 1 << 15;
    out.par_chunks_mut(PART).zip(source.par_chunks(PART)).for_each(|(out, source)| {
        vectorized(|| {
            for (out, value) in out.iter_mut().zip(source) {
                *out = f32::from_bits(u32::from(value.to_bits()) << 16);
            }
        });
    });
}

/// See [`crate::Kernels::dequantize`], in f32.
pub(super) fn dequantize(weight: &QuantizedTensor<Cpu>) -> Matrix<Cpu> {
    let mut values = vec![0.0; weight.shape[0] * weight.shape[1]];
    decode(weight, &mut values);
    matrix(values, weight.shape)
}

/// Writes the decoded weight to `out`.
fn decode(weight: &QuantizedTensor<Cpu>, out: &mut [f32]) {
    let packed = View::of_ints(&weight.packed);
    let packed: &[u8] = bytemuck::cast_slice(packed.slice::<u32>());
    let block = weight.block_size;
    let scale = Scales::of(&weight.scales);
    let blocks_per_task = ((1 << 15) / block).max(1);
    out.par_chunks_mut(block * blocks_per_task).enumerate().for_each(|(task, out)| {
        vectorized(|| {
            for (i, out) in out.chunks_mut(block).enumerate() {
                let index = task * blocks_per_task + i;
                let scale = scale.at(index);
                let levels = weight.levels.map(|level| level * scale);
                let bytes = &packed[index * block / 2..];
                for (pair, &byte) in out.chunks_mut(2).zip(bytes) {
                    pair[0] = levels[usize::from(byte >> 4)];
                    if let Some(second) = pair.get_mut(1) {
                        *second = levels[usize::from(byte & 15)];
                    }
                }
            }
        });
    });
}

/// The scales as slices.
#[expect(clippy::large_enum_variant, reason = "one lives on the stack for one call")]
pub(super) enum Scales {
    Plain(View),
    Nested { codes: View, absmax: View, levels: View, offset: f32, group_size: usize },
}

impl Scales {
    pub(super) fn of(scales: &ScaleTensors<Cpu>) -> Self {
        match scales {
            ScaleTensors::Plain(absmax) => Self::Plain(View::of(absmax)),
            ScaleTensors::Nested { codes, absmax, levels, offset, group_size } => Self::Nested {
                codes: View::of_ints(codes),
                absmax: View::of(absmax),
                levels: View::of(levels),
                offset: *offset,
                group_size: *group_size,
            },
        }
    }

    /// Scale of block `index`.
    #[inline(always)]
    pub(super) fn at(&self, index: usize) -> f32 {
        match self {
            Self::Plain(absmax) => absmax.slice::<f32>()[index],
            Self::Nested { codes, absmax, levels, offset, group_size } => {
                let codes: &[u8] = bytemuck::cast_slice(codes.slice::<u32>());
                let level = levels.slice::<f32>()[usize::from(codes[index])];
                level * absmax.slice::<f32>()[index / group_size] + offset
            }
        }
    }
}

/// See [`crate::Kernels::linear`].
pub(super) fn linear(
    x: &Matrix<Cpu>,
    weight: &FrozenMatrix<Cpu>,
    accumulator: Option<Matrix<Cpu>>,
) -> Matrix<Cpu> {
    let ([rows, inputs], [outputs, _]) = (x.dims(), weight.shape());
    let view = View::of(x);
    let x = Strided::rows(view.slice(), inputs);
    with_weight(weight, |weight| {
        let weight = Strided::rows(weight, inputs).transposed();
        multiply([rows, outputs, inputs], x, weight, accumulator)
    })
}

/// See [`crate::Kernels::linear_backward`].
pub(super) fn linear_backward(
    dy: &Matrix<Cpu>,
    weight: &FrozenMatrix<Cpu>,
    accumulator: Option<Matrix<Cpu>>,
) -> Matrix<Cpu> {
    let (rows, [outputs, inputs]) = (dy.dims()[0], weight.shape());
    let view = View::of(dy);
    let dy = Strided::rows(view.slice(), outputs);
    with_weight(weight, |weight| {
        multiply([rows, inputs, outputs], dy, Strided::rows(weight, inputs), accumulator)
    })
}

fn multiply(
    shape: [usize; 3],
    lhs: Strided<'_>,
    rhs: Strided<'_>,
    accumulator: Option<Matrix<Cpu>>,
) -> Matrix<Cpu> {
    let [m, n, _] = shape;
    match accumulator {
        None => matrix(product_new(shape, lhs, rhs, 1.0), [m, n]),
        Some(sum) => {
            let mut sum = Owned::take(sum);
            product_into(shape, lhs, rhs, 1.0, sum.slice(), n, Write::Add, true);
            sum.tensor()
        }
    }
}
