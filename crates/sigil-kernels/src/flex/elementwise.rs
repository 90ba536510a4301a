//! SwiGLU, bias, embedding and dropout.

use burn::tensor::DType;
use half::bf16;
use rayon::prelude::*;

use super::{
    lanes::{for_rows, sigmoid, vectorized},
    view::{Owned, View, matrix},
};
use crate::{Cpu, IntVector, Matrix, Vector, random};

/// Elements that one task takes.
const PART: usize = 1 << 15;

/// See [`crate::Kernels::add_bias`].
pub(super) fn add_bias(x: Matrix<Cpu>, bias: &Vector<Cpu>) -> Matrix<Cpu> {
    let columns = bias.dims()[0];
    let bias = View::of(&bias.clone().cast(DType::F32));
    let bias: &[f32] = bias.slice();
    let mut x = Owned::take(x);
    for_rows(x.slice(), columns, |_, rows| {
        for row in rows.chunks_exact_mut(columns) {
            row.iter_mut().zip(bias).for_each(|(x, b)| *x += b);
        }
    });
    x.tensor()
}

/// See [`crate::Kernels::swiglu`].
pub(super) fn swiglu(gate: &Matrix<Cpu>, up: &Matrix<Cpu>) -> Matrix<Cpu> {
    let shape = gate.dims();
    let (gate, up) = (View::of(gate), View::of(up));
    let (gate, up): (&[f32], &[f32]) = (gate.slice(), up.slice());
    let mut y = vec![0.0; gate.len()];
    y.par_chunks_mut(PART).zip(gate.par_chunks(PART)).zip(up.par_chunks(PART)).for_each(
        |((y, gate), up)| {
            vectorized(|| {
                for ((y, &gate), up) in y.iter_mut().zip(gate).zip(up) {
                    *y = gate * sigmoid(gate) * up;
                }
            });
        },
    );
    matrix(y, shape)
}

/// See [`crate::Kernels::swiglu_backward`].
pub(super) fn swiglu_backward(
    dy: Matrix<Cpu>,
    gate: &Matrix<Cpu>,
    up: &Matrix<Cpu>,
) -> (Matrix<Cpu>, Matrix<Cpu>) {
    let shape = dy.dims();
    let (gate, up) = (View::of(gate), View::of(up));
    let (gate, up): (&[f32], &[f32]) = (gate.slice(), up.slice());
    let mut dy = Owned::take(dy);
    let mut dup = vec![0.0; gate.len()];
    // The incoming gradient's memory becomes the gate's gradient.
    dy.slice()
        .par_chunks_mut(PART)
        .zip(dup.par_chunks_mut(PART))
        .zip(gate.par_chunks(PART))
        .zip(up.par_chunks(PART))
        .for_each(|(((dy, dup), gate), up)| {
            vectorized(|| {
                for (((dy, dup), &gate), up) in dy.iter_mut().zip(dup).zip(gate).zip(up) {
                    let sigma = sigmoid(gate);
                    let silu = gate * sigma;
                    *dup = *dy * silu;
                    *dy = *dy * up * (sigma + silu * (1.0 - sigma));
                }
            });
        });
    (dy.tensor(), matrix(dup, shape))
}

/// See [`crate::Kernels::embed`], in f32.
pub(super) fn embed(table: &Matrix<Cpu>, tokens: &IntVector<Cpu>) -> Matrix<Cpu> {
    let columns = table.dims()[1];
    let (table, tokens) = (View::of(table), View::of_ints(tokens));
    let tokens: &[i32] = tokens.slice();
    let mut out = Vec::with_capacity(tokens.len() * columns);
    for &token in tokens {
        let row = token as usize * columns..(token as usize + 1) * columns;
        if table.dtype() == DType::F32 {
            out.extend_from_slice(&table.slice::<f32>()[row]);
        } else {
            out.extend(table.slice::<bf16>()[row].iter().map(|value| value.to_f32()));
        }
    }
    matrix(out, [tokens.len(), columns])
}

/// See [`crate::Kernels::embed_backward`].
pub(super) fn embed_backward(
    dx: &Matrix<Cpu>,
    tokens: &IntVector<Cpu>,
    accumulator: Matrix<Cpu>,
) -> Matrix<Cpu> {
    let columns = dx.dims()[1];
    let (dx, tokens) = (View::of(dx), View::of_ints(tokens));
    let mut sum = Owned::take(accumulator);
    let table = sum.slice();
    let rows = dx.slice::<f32>().chunks_exact(columns);
    for (row, &token) in rows.zip(tokens.slice::<i32>()) {
        let at = token as usize * columns;
        table[at..at + columns].iter_mut().zip(row).for_each(|(sum, dx)| *sum += dx);
    }
    sum.tensor()
}

/// See [`crate::Kernels::dropout`].
pub(super) fn dropout(x: &Matrix<Cpu>, p: f32, seed: u64) -> Matrix<Cpu> {
    let shape = x.dims();
    let keep = 1.0 / (1.0 - p);
    let x = View::of(x);
    let x: &[f32] = x.slice();
    let mut y = vec![0.0; x.len()];
    y.par_chunks_mut(PART).zip(x.par_chunks(PART)).enumerate().for_each(|(task, (y, x))| {
        vectorized(|| {
            let first = (task * PART) as u64;
            for (i, (y, x)) in y.iter_mut().zip(x).enumerate() {
                let dropped = random::unit(seed, first + i as u64) < p;
                *y = if dropped { x * 0.0 } else { x * keep };
            }
        });
    });
    matrix(y, shape)
}
