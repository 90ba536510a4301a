//! Causal attention in plain Burn operations, one document after another.

use burn::tensor::{Bool, DType, Tensor, TensorData, activation::softmax, backend::Backend};

use crate::{AttentionShape, Matrix, SequenceLayout};

/// True where key `j` is hidden from query `i`, `[1, length, length]`.
fn hidden_keys<B: Backend>(
    length: usize,
    window: Option<usize>,
    device: &B::Device,
) -> Tensor<B, 3, Bool> {
    let window = window.unwrap_or(usize::MAX);
    let hidden: Vec<bool> = (0..length * length)
        .map(|at| (at / length, at % length))
        .map(|(i, j)| j > i || i - j >= window)
        .collect();
    Tensor::from_data(TensorData::new(hidden, [1, length, length]), device)
}

/// Rows `from..to` as `[heads, length, head_dim]`, key and value heads repeated for their group.
fn heads<B: Backend>(x: &Matrix<B>, at: (usize, usize), shape: AttentionShape) -> Tensor<B, 3> {
    let (length, width) = (at.1 - at.0, x.dims()[1]);
    let own = width / shape.head_dim;
    let x = x.clone().slice([at.0..at.1, 0..width]).cast(DType::F32);
    let x = x.reshape([length, own, shape.head_dim]).swap_dims(0, 1);
    let group = shape.heads / own;
    let repeated = x.reshape([own, 1, length * shape.head_dim]).repeat_dim(1, group);
    repeated.reshape([shape.heads, length, shape.head_dim])
}

/// `[heads, length, head_dim]` back to `[length, width]`, summed over each group of heads.
fn columns<B: Backend>(x: Tensor<B, 3>, own: usize, dtype: DType) -> Matrix<B> {
    let [heads, length, head_dim] = x.dims();
    let x = x.reshape([own, heads / own, length * head_dim]).sum_dim(1);
    x.reshape([own, length, head_dim]).swap_dims(0, 1).reshape([length, own * head_dim]).cast(dtype)
}

fn scores<B: Backend>(
    q: &Tensor<B, 3>,
    k: &Tensor<B, 3>,
    shape: AttentionShape,
    device: &B::Device,
) -> Tensor<B, 3> {
    let length = q.dims()[1];
    let scores = q.clone().matmul(k.clone().swap_dims(1, 2)).mul_scalar(shape.scale);
    let hidden = hidden_keys::<B>(length, shape.window, device);
    scores.mask_fill(hidden.repeat_dim(0, shape.heads), f32::NEG_INFINITY)
}

/// See [`crate::Kernels::attention`].
pub fn attention<B: Backend>(
    q: &Matrix<B>,
    k: &Matrix<B>,
    v: &Matrix<B>,
    layout: &SequenceLayout<B>,
    shape: AttentionShape,
) -> (Matrix<B>, Matrix<B>) {
    let (device, dtype) = (q.device(), q.dtype());
    let (mut outs, mut sums) = (vec![], vec![]);
    for at in layout.documents() {
        let (q, k, v) = (heads(q, at, shape), heads(k, at, shape), heads(v, at, shape));
        let scores = scores(&q, &k, shape, &device);
        let top = scores.clone().max_dim(2);
        let sum = (scores.clone() - top.clone()).exp().sum_dim(2).log() + top;
        outs.push(columns(softmax(scores, 2).matmul(v), shape.heads, dtype));
        sums.push(sum.reshape([shape.heads, at.1 - at.0]).transpose());
    }
    (Tensor::cat(outs, 0), Tensor::cat(sums, 0))
}

/// See [`crate::Kernels::attention_backward`].
pub fn attention_backward<B: Backend>(
    dout: &Matrix<B>,
    q: &Matrix<B>,
    k: &Matrix<B>,
    v: &Matrix<B>,
    out: &Matrix<B>,
    log_sum_exp: &Matrix<B>,
    layout: &SequenceLayout<B>,
    shape: AttentionShape,
) -> (Matrix<B>, Matrix<B>, Matrix<B>) {
    let (device, dtype) = (q.device(), q.dtype());
    let (mut dqs, mut dks, mut dvs) = (vec![], vec![], vec![]);
    for at in layout.documents() {
        let (qh, kh, vh) = (heads(q, at, shape), heads(k, at, shape), heads(v, at, shape));
        let (dout, out) = (heads(dout, at, shape), heads(out, at, shape));
        let sum = log_sum_exp.clone().slice([at.0..at.1, 0..shape.heads]).transpose();
        let sum = sum.reshape([shape.heads, at.1 - at.0, 1]);
        let p = (scores(&qh, &kh, shape, &device) - sum).exp();
        let dv = p.clone().swap_dims(1, 2).matmul(dout.clone());
        let dp = dout.clone().matmul(vh.swap_dims(1, 2));
        let delta = (dout * out).sum_dim(2);
        let ds = (p * (dp - delta)).mul_scalar(shape.scale);
        dqs.push(columns(ds.clone().matmul(kh), shape.heads, dtype));
        dks.push(columns(ds.swap_dims(1, 2).matmul(qh), shape.kv_heads, dtype));
        dvs.push(columns(dv, shape.kv_heads, dtype));
    }
    (Tensor::cat(dqs, 0), Tensor::cat(dks, 0), Tensor::cat(dvs, 0))
}
