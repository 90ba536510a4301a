//! The operations on the CPU: Rust over slices, vectorized for the machine at run time.
//!
//! Every override takes f32 tensors; other dtypes fall back to [`crate::plain`]. Results do not
//! depend on the number of threads: work is cut by size, never by thread count, and partial sums
//! are added in a fixed order. Matrix products are the `gemm` crate's; its blocking follows the CPU
//! model, so another model may differ in the last bits.

mod attention;
mod cache;
mod elementwise;
mod gemm;
mod head;
pub(crate) mod lanes;
mod linear;
mod norm;
mod optimizer;
mod panels;
mod rotary;
mod view;

pub use cache::CpuCache;
pub use panels::Panels;

use burn::tensor::DType;

use crate::{
    AdamW, AttentionShape, CacheShape, CachedRows, Cpu, Decoding, FrozenMatrix, HeadLoss,
    IntVector, Kernels, Matrix, Product, QuantizedTensor, RotaryTable, SequenceLayout, SlotCopy,
    Vector, plain,
};

/// True when every tensor is f32, so that the slice versions apply.
fn f32s<const N: usize>(tensors: [&Matrix<Cpu>; N]) -> bool {
    tensors.iter().all(|tensor| tensor.dtype() == DType::F32)
}

impl Kernels for Cpu {
    fn product(
        product: Product,
        lhs: &Matrix<Self>,
        rhs: &Matrix<Self>,
        alpha: f32,
        accumulator: Option<Matrix<Self>>,
    ) -> Matrix<Self> {
        let sum_is_f32 = accumulator.as_ref().is_none_or(|sum| f32s([sum]));
        if f32s([lhs, rhs]) && sum_is_f32 {
            gemm::product(product, lhs, rhs, alpha, accumulator)
        } else {
            plain::product(product, lhs, rhs, alpha, accumulator)
        }
    }

    fn dequantize(weight: &QuantizedTensor<Self>, dtype: DType) -> Matrix<Self> {
        linear::dequantize(weight).cast(dtype)
    }

    fn linear(
        x: &Matrix<Self>,
        weight: &FrozenMatrix<Self>,
        accumulator: Option<Matrix<Self>>,
    ) -> Matrix<Self> {
        if f32s([x]) {
            linear::linear(x, weight, accumulator)
        } else {
            plain::linear(x, weight, accumulator)
        }
    }

    fn linear_backward(
        dy: &Matrix<Self>,
        weight: &FrozenMatrix<Self>,
        accumulator: Option<Matrix<Self>>,
    ) -> Matrix<Self> {
        if f32s([dy]) {
            linear::linear_backward(dy, weight, accumulator)
        } else {
            plain::linear_backward(dy, weight, accumulator)
        }
    }

    fn add_bias(x: Matrix<Self>, bias: &Vector<Self>) -> Matrix<Self> {
        if f32s([&x]) { elementwise::add_bias(x, bias) } else { plain::add_bias(x, bias) }
    }

    fn rms_norm(
        x: &Matrix<Self>,
        weight: &Vector<Self>,
        epsilon: f64,
    ) -> (Matrix<Self>, Vector<Self>) {
        if f32s([x]) {
            norm::rms_norm(x, weight, epsilon)
        } else {
            plain::rms_norm(x, weight, epsilon)
        }
    }

    fn rms_norm_backward(
        dy: &Matrix<Self>,
        x: &Matrix<Self>,
        weight: &Vector<Self>,
        reciprocal_root: &Vector<Self>,
        accumulator: Option<Matrix<Self>>,
        dweight: Option<Vector<Self>>,
    ) -> (Matrix<Self>, Option<Vector<Self>>) {
        if f32s([dy, x]) {
            norm::rms_norm_backward(dy, x, weight, reciprocal_root, accumulator, dweight)
        } else {
            plain::rms_norm_backward(dy, x, weight, reciprocal_root, accumulator, dweight)
        }
    }

    fn rotate(
        x: Matrix<Self>,
        table: &RotaryTable<Self>,
        layout: &SequenceLayout<Self>,
        head_dim: usize,
        inverse: bool,
    ) -> Matrix<Self> {
        if f32s([&x]) {
            rotary::rotate(x, table, layout, head_dim, inverse)
        } else {
            plain::rotate(x, table, layout, head_dim, inverse)
        }
    }

    fn swiglu(gate: &Matrix<Self>, up: &Matrix<Self>) -> Matrix<Self> {
        if f32s([gate, up]) { elementwise::swiglu(gate, up) } else { plain::swiglu(gate, up) }
    }

    fn swiglu_backward(
        dy: Matrix<Self>,
        gate: &Matrix<Self>,
        up: &Matrix<Self>,
    ) -> (Matrix<Self>, Matrix<Self>) {
        if f32s([&dy, gate, up]) {
            elementwise::swiglu_backward(dy, gate, up)
        } else {
            plain::swiglu_backward(dy, gate, up)
        }
    }

    fn attention(
        q: &Matrix<Self>,
        k: &Matrix<Self>,
        v: &Matrix<Self>,
        layout: &SequenceLayout<Self>,
        shape: AttentionShape,
    ) -> (Matrix<Self>, Matrix<Self>) {
        if f32s([q, k, v]) {
            attention::forward(q, k, v, layout, shape)
        } else {
            plain::attention(q, k, v, layout, shape)
        }
    }

    fn attention_backward(
        dout: &Matrix<Self>,
        q: &Matrix<Self>,
        k: &Matrix<Self>,
        v: &Matrix<Self>,
        out: &Matrix<Self>,
        log_sum_exp: &Matrix<Self>,
        layout: &SequenceLayout<Self>,
        shape: AttentionShape,
    ) -> (Matrix<Self>, Matrix<Self>, Matrix<Self>) {
        if f32s([dout, q, k, v, out]) {
            attention::backward(dout, q, k, v, out, log_sum_exp, layout, shape)
        } else {
            plain::attention_backward(dout, q, k, v, out, log_sum_exp, layout, shape)
        }
    }

    fn embed(table: &Matrix<Self>, tokens: &IntVector<Self>, dtype: DType) -> Matrix<Self> {
        if dtype == DType::F32 {
            elementwise::embed(table, tokens)
        } else {
            plain::embed(table, tokens, dtype)
        }
    }

    fn embed_backward(
        dx: &Matrix<Self>,
        tokens: &IntVector<Self>,
        accumulator: Matrix<Self>,
    ) -> Matrix<Self> {
        if f32s([dx, &accumulator]) {
            elementwise::embed_backward(dx, tokens, accumulator)
        } else {
            plain::embed_backward(dx, tokens, accumulator)
        }
    }

    fn head_loss(
        hidden: &Matrix<Self>,
        head: &FrozenMatrix<Self>,
        targets: &[i32],
        gradient: Option<f32>,
        weight_gradient: Option<Matrix<Self>>,
    ) -> HeadLoss<Self> {
        if f32s([hidden]) {
            head::head_loss(hidden, head, targets, gradient, weight_gradient)
        } else {
            plain::head_loss(hidden, head, targets, gradient, weight_gradient)
        }
    }

    fn dropout(x: &Matrix<Self>, p: f32, seed: u64) -> Matrix<Self> {
        if f32s([x]) { elementwise::dropout(x, p, seed) } else { plain::dropout(x, p, seed) }
    }

    fn sum_of_squares(tensors: &[Matrix<Self>]) -> f64 {
        optimizer::sum_of_squares(tensors)
    }

    fn adamw(
        parameter: Matrix<Self>,
        gradient: &Matrix<Self>,
        first: Matrix<Self>,
        second: Matrix<Self>,
        step: AdamW,
    ) -> (Matrix<Self>, Matrix<Self>, Matrix<Self>) {
        optimizer::adamw(parameter, gradient, first, second, step)
    }
}

impl Decoding for Cpu {
    type RowWeight = Panels;
    type Cache = CpuCache;

    fn row_weight(weight: FrozenMatrix<Self>) -> Panels {
        Panels::of(weight)
    }

    fn row_linear(
        x: &Matrix<Self>,
        weight: &Panels,
        accumulator: Option<Matrix<Self>>,
    ) -> Matrix<Self> {
        panels::row_linear(x, weight, accumulator)
    }

    fn cache(shape: CacheShape, _device: &Self::Device) -> CpuCache {
        CpuCache::new(shape)
    }

    fn cached_attention(
        q: &Matrix<Self>,
        k: &Matrix<Self>,
        v: &Matrix<Self>,
        cache: &mut CpuCache,
        rows: &CachedRows<Self>,
        shape: AttentionShape,
    ) -> Matrix<Self> {
        cache::attention(q, k, v, cache, rows, shape)
    }

    fn copy_slot(cache: &mut CpuCache, copy: SlotCopy) {
        cache.copy_slot(copy);
    }

    fn in_pool<R: Send>(f: impl FnOnce() -> R + Send) -> R {
        rayon::scope(|_| f())
    }
}
