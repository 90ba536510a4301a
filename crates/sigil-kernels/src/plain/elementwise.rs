//! SwiGLU, bias, embedding, dropout and noise in plain Burn operations.

use burn::tensor::{DType, TensorData, activation::sigmoid, backend::Backend};

use crate::{IntVector, Matrix, Vector, random};

/// See [`crate::Kernels::add_bias`].
pub fn add_bias<B: Backend>(x: Matrix<B>, bias: &Vector<B>) -> Matrix<B> {
    let dtype = x.dtype();
    let columns = bias.dims()[0];
    x + bias.clone().cast(dtype).reshape([1, columns])
}

/// See [`crate::Kernels::swiglu`].
pub fn swiglu<B: Backend>(gate: &Matrix<B>, up: &Matrix<B>) -> Matrix<B> {
    let dtype = gate.dtype();
    let gate = gate.clone().cast(DType::F32);
    (gate.clone() * sigmoid(gate)).cast(dtype) * up.clone()
}

/// See [`crate::Kernels::swiglu_backward`].
///
/// `d silu(g) / dg = σ(g) (1 + g (1 - σ(g)))`.
pub fn swiglu_backward<B: Backend>(
    dy: Matrix<B>,
    gate: &Matrix<B>,
    up: &Matrix<B>,
) -> (Matrix<B>, Matrix<B>) {
    let dtype = dy.dtype();
    let (dy, up) = (dy.cast(DType::F32), up.clone().cast(DType::F32));
    let gate = gate.clone().cast(DType::F32);
    let sigma = sigmoid(gate.clone());
    let dup = dy.clone() * gate.clone() * sigma.clone();
    let slope = (gate * sigma.clone().neg().add_scalar(1.0)).add_scalar(1.0) * sigma;
    ((dy * up * slope).cast(dtype), dup.cast(dtype))
}

/// See [`crate::Kernels::embed`].
pub fn embed<B: Backend>(table: &Matrix<B>, tokens: &IntVector<B>, dtype: DType) -> Matrix<B> {
    table.clone().select(0, tokens.clone()).cast(dtype)
}

/// See [`crate::Kernels::embed_backward`].
pub fn embed_backward<B: Backend>(
    dx: &Matrix<B>,
    tokens: &IntVector<B>,
    accumulator: Matrix<B>,
) -> Matrix<B> {
    let dtype = accumulator.dtype();
    accumulator.select_assign(
        0,
        tokens.clone(),
        dx.clone().cast(dtype),
        burn::tensor::IndexingUpdateOp::Add,
    )
}

/// See [`crate::Kernels::dropout`].
pub fn dropout<B: Backend>(x: &Matrix<B>, p: f32, seed: u64) -> Matrix<B> {
    let [rows, columns] = x.dims();
    let keep = 1.0 / (1.0 - p);
    let mask = (0..(rows * columns) as u64)
        .map(|i| if random::unit(seed, i) < p { 0.0 } else { keep })
        .collect();
    x.clone() * host(mask, [rows, columns], x)
}

/// See [`crate::Kernels::add_noise`].
pub fn add_noise<B: Backend>(x: Matrix<B>, bounds: &[f32], seed: u64) -> Matrix<B> {
    let [rows, columns] = x.dims();
    let noise =
        (0..rows * columns).map(|i| random::uniform(seed, i as u64, bounds[i / columns])).collect();
    let noise = host(noise, [rows, columns], &x);
    x + noise
}

fn host<B: Backend>(values: Vec<f32>, shape: [usize; 2], like: &Matrix<B>) -> Matrix<B> {
    let data = TensorData::new(values, shape);
    Matrix::<B>::from_data(data, (&like.device(), DType::F32)).cast(like.dtype())
}
