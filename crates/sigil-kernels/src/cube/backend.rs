//! The list of overrides, the same for every CubeCL runtime.
//!
//! A macro and not a generic impl, because Burn's autodiff and Flex implement the trait too. A runtime
//! that runs CUDA C++ says so itself (`cuda/native.rs`). What is not listed runs the plain version.

use burn::tensor::DType;

use super::{
    attention, cross_entropy, decoding, dequantize, elementwise, embedding, linear, memory, norm,
    optimizer, rotary, swiglu,
};
use crate::{
    AdamW, AdaptedLayer, AdaptedOutput, AttentionShape, CacheShape, CachedRows, ChoiceSettings,
    Decoding, DeviceMemory, FourBitCode, FrozenMatrix, HeadLoss, IntVector, Kernels, LoraInput,
    Matrix, Product, QuantizedBlocks, QuantizedTensor, RotaryTable, RowChoice, SequenceLayout,
    SlotCopy, TrainedMatrix, Vector,
    cuda::{CollectiveError, DeviceGroup, quantize},
    plain::PlainCache,
};

macro_rules! kernels_on {
    ($runtime:ty) => {
        impl Kernels for super::On<$runtime> {
            const KEEPS_SIZES: bool = true;

            fn with_exact_memory<T>(device: &Self::Device, work: impl FnOnce() -> T) -> T {
                memory::with_exact_memory::<$runtime, T>(device, work)
            }

            fn finish_uploads(device: &Self::Device) {
                memory::finish_uploads::<$runtime>(device)
            }

            fn memory(device: &Self::Device) -> Option<DeviceMemory> {
                memory::memory::<$runtime>(device)
            }

            fn product(
                product: Product,
                lhs: &Matrix<Self>,
                rhs: &Matrix<Self>,
                alpha: f32,
                accumulator: Option<Matrix<Self>>,
            ) -> Matrix<Self> {
                linear::product::<$runtime>(product, lhs, rhs, alpha, accumulator)
            }

            fn quantizes(device: &Self::Device) -> bool {
                quantize::quantizes::<$runtime>(device)
            }

            fn quantize_blocks(weight: &Matrix<Self>, code: &FourBitCode) -> QuantizedBlocks<Self> {
                quantize::quantize::<$runtime>(weight, code)
            }

            fn dequantize(weight: &QuantizedTensor<Self>, dtype: DType) -> Matrix<Self> {
                dequantize::dequantize::<$runtime>(weight, dtype)
            }

            fn linear(
                x: &Matrix<Self>,
                weight: &FrozenMatrix<Self>,
                accumulator: Option<Matrix<Self>>,
            ) -> Matrix<Self> {
                linear::linear::<$runtime>(x, weight, accumulator)
            }

            fn linear_backward(
                dy: &Matrix<Self>,
                weight: &FrozenMatrix<Self>,
                accumulator: Option<Matrix<Self>>,
            ) -> Matrix<Self> {
                linear::linear_backward::<$runtime>(dy, weight, accumulator)
            }

            fn adapted_linear(
                x: &Matrix<Self>,
                weight: &FrozenMatrix<Self>,
                bias: Option<&Vector<Self>>,
                input: &Matrix<Self>,
                a: &Matrix<Self>,
                b: &Matrix<Self>,
                scale: f32,
                accumulator: Option<Matrix<Self>>,
            ) -> (Matrix<Self>, LoraInput<Self>) {
                let branch = linear::Branch { input, a, b, scale };
                linear::adapted_linear::<$runtime>(x, weight, bias, branch, accumulator)
            }

            fn parameter_gradient(
                lhs: &Matrix<Self>,
                rhs: &Matrix<Self>,
                alpha: f32,
                sum: Option<Matrix<Self>>,
            ) -> Matrix<Self> {
                linear::parameter_gradient::<$runtime>(lhs, rhs, alpha, sum)
            }

            fn projected_linear(
                x: &Matrix<Self>,
                weight: &FrozenMatrix<Self>,
                bias: Option<&Vector<Self>>,
                projected: &Matrix<Self>,
                b: &Matrix<Self>,
                scale: f32,
                accumulator: Option<Matrix<Self>>,
            ) -> Matrix<Self> {
                let branch = (projected, b, scale);
                linear::projected_linear::<$runtime>(x, weight, bias, branch, accumulator)
            }

            fn projected_linear_backward(
                dy: &Matrix<Self>,
                weight: &FrozenMatrix<Self>,
                d_projected: &Matrix<Self>,
                a: &Matrix<Self>,
                accumulator: Option<Matrix<Self>>,
            ) -> Matrix<Self> {
                let branch = (d_projected, a);
                linear::projected_linear_backward::<$runtime>(dy, weight, branch, accumulator)
            }

            fn adapted_linears(
                x: &Matrix<Self>,
                layers: &[AdaptedLayer<'_, Self>],
            ) -> Vec<(Matrix<Self>, LoraInput<Self>)> {
                linear::adapted_linears::<$runtime>(x, layers)
            }

            fn adapted_linears_backward(
                x: &Matrix<Self>,
                layers: &[AdaptedLayer<'_, Self>],
                outputs: Vec<AdaptedOutput<'_, Self>>,
                dx: Option<Matrix<Self>>,
            ) -> (Vec<[Matrix<Self>; 2]>, Option<Matrix<Self>>) {
                linear::adapted_linears_backward::<$runtime>(x, layers, outputs, dx)
            }

            fn lora_backward(
                dy: &Matrix<Self>,
                x: &Matrix<Self>,
                saved: &LoraInput<Self>,
                a: &Matrix<Self>,
                b: &Matrix<Self>,
                scale: f32,
                da: Option<Matrix<Self>>,
                db: Option<Matrix<Self>>,
                dx: Option<Matrix<Self>>,
            ) -> (Matrix<Self>, Matrix<Self>, Matrix<Self>) {
                let branch = linear::Branch { input: x, a, b, scale };
                let sums = [da, db, dx];
                linear::lora_backward::<$runtime>(dy, branch, &saved.projected, sums).into()
            }

            fn adapted_linear_backward(
                dy: &Matrix<Self>,
                weight: &FrozenMatrix<Self>,
                x: &Matrix<Self>,
                saved: &LoraInput<Self>,
                a: &Matrix<Self>,
                b: &Matrix<Self>,
                scale: f32,
                da: Option<Matrix<Self>>,
                db: Option<Matrix<Self>>,
                dx: Option<Matrix<Self>>,
            ) -> (Matrix<Self>, Matrix<Self>, Matrix<Self>) {
                let branch = linear::Branch { input: x, a, b, scale };
                let (sums, saved) = ([da, db, dx], &saved.projected);
                linear::adapted_linear_backward::<$runtime>(dy, weight, branch, saved, sums).into()
            }

            fn add_bias(x: Matrix<Self>, bias: &Vector<Self>) -> Matrix<Self> {
                elementwise::add_bias::<$runtime>(x, bias)
            }

            fn rms_norm(
                x: &Matrix<Self>,
                weight: &Vector<Self>,
                epsilon: f64,
            ) -> (Matrix<Self>, Vector<Self>) {
                norm::rms_norm::<$runtime>(x, weight, epsilon)
            }

            fn rms_norm_backward(
                dy: &Matrix<Self>,
                x: &Matrix<Self>,
                weight: &Vector<Self>,
                reciprocal_root: &Vector<Self>,
                accumulator: Option<Matrix<Self>>,
                dweight: Option<Vector<Self>>,
            ) -> (Matrix<Self>, Option<Vector<Self>>) {
                norm::rms_norm_backward::<$runtime>(
                    dy,
                    x,
                    weight,
                    reciprocal_root,
                    accumulator,
                    dweight,
                )
            }

            fn rotate(
                x: Matrix<Self>,
                table: &RotaryTable<Self>,
                layout: &SequenceLayout<Self>,
                head_dim: usize,
                inverse: bool,
            ) -> Matrix<Self> {
                rotary::rotate::<$runtime>(x, table, layout, head_dim, inverse)
            }

            fn swiglu(gate: &Matrix<Self>, up: &Matrix<Self>) -> Matrix<Self> {
                swiglu::swiglu::<$runtime>(gate, up)
            }

            fn swiglu_backward(
                dy: Matrix<Self>,
                gate: &Matrix<Self>,
                up: &Matrix<Self>,
            ) -> (Matrix<Self>, Matrix<Self>) {
                swiglu::swiglu_backward::<$runtime>(dy, gate, up)
            }

            fn attention(
                q: &Matrix<Self>,
                k: &Matrix<Self>,
                v: &Matrix<Self>,
                layout: &SequenceLayout<Self>,
                shape: AttentionShape,
            ) -> (Matrix<Self>, Matrix<Self>) {
                attention::attention::<$runtime>(q, k, v, layout, shape)
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
                let saved = (out, log_sum_exp);
                attention::attention_backward::<$runtime>(dout, [q, k, v], saved, layout, shape)
            }

            fn embed(table: &Matrix<Self>, tokens: &IntVector<Self>, dtype: DType) -> Matrix<Self> {
                embedding::embed::<$runtime>(table, tokens, dtype)
            }

            fn logits(hidden: &Matrix<Self>, head: &FrozenMatrix<Self>) -> Matrix<Self> {
                linear::logits::<$runtime>(hidden, head)
            }

            fn head_loss(
                hidden: &Matrix<Self>,
                head: &FrozenMatrix<Self>,
                targets: &[i32],
                gradient: Option<f32>,
                weight_gradient: Option<Matrix<Self>>,
            ) -> HeadLoss<Self> {
                cross_entropy::head_loss::<$runtime>(
                    hidden,
                    head,
                    targets,
                    gradient,
                    weight_gradient,
                )
            }

            fn dropout(x: &Matrix<Self>, p: f32, seed: u64) -> Matrix<Self> {
                elementwise::dropout::<$runtime>(x, p, seed)
            }

            fn add_noise(x: Matrix<Self>, bounds: &[f32], seed: u64) -> Matrix<Self> {
                elementwise::add_noise::<$runtime>(x, bounds, seed)
            }

            fn sum_of_squares(tensors: &[Matrix<Self>]) -> f64 {
                optimizer::sum_of_squares::<$runtime>(tensors)
            }

            fn adamw(
                parameter: Matrix<Self>,
                gradient: &Matrix<Self>,
                first: Matrix<Self>,
                second: Matrix<Self>,
                step: AdamW,
            ) -> (Matrix<Self>, Matrix<Self>, Matrix<Self>) {
                optimizer::adamw::<$runtime>(parameter, gradient, first, second, step)
            }

            fn sum_over(
                group: &DeviceGroup,
                tensors: Vec<Matrix<Self>>,
            ) -> Result<Vec<Matrix<Self>>, CollectiveError> {
                optimizer::sum_over::<$runtime>(group, tensors)
            }

            fn adamw_all(list: Vec<TrainedMatrix<Self>>, step: AdamW) -> Vec<[Matrix<Self>; 3]> {
                optimizer::adamw_all::<$runtime>(list, step)
            }
        }

        impl Decoding for super::On<$runtime> {
            type RowWeight = FrozenMatrix<Self>;
            type Cache = PlainCache<Self>;

            fn row_weight(weight: FrozenMatrix<Self>) -> Self::RowWeight {
                weight
            }

            fn row_linear(
                x: &Matrix<Self>,
                weight: &Self::RowWeight,
                accumulator: Option<Matrix<Self>>,
            ) -> Matrix<Self> {
                decoding::row_linear::<$runtime>(x, weight, accumulator)
            }

            fn row_linears(x: &Matrix<Self>, weights: &[&Self::RowWeight]) -> Vec<Matrix<Self>> {
                decoding::row_linears::<$runtime>(x, weights)
            }

            fn cache(shape: CacheShape, device: &Self::Device) -> Self::Cache {
                PlainCache::new(shape, device)
            }

            fn cached_attention(
                q: &Matrix<Self>,
                k: &Matrix<Self>,
                v: &Matrix<Self>,
                cache: &mut Self::Cache,
                rows: &CachedRows<Self>,
                shape: AttentionShape,
            ) -> Matrix<Self> {
                decoding::cached_attention::<$runtime>(q, k, v, cache, rows, shape)
            }

            fn choose(
                logits: Matrix<Self>,
                how: &ChoiceSettings,
                rows: &[RowChoice<'_>],
            ) -> Result<Vec<u32>, Matrix<Self>> {
                crate::cuda::choosing::choose::<$runtime>(logits, how, rows)
            }

            fn copy_slot(cache: &mut Self::Cache, copy: SlotCopy) {
                cache.copy_slot(copy);
            }
        }
    };
}

kernels_on!(cubecl::cuda::CudaRuntime);
#[cfg(feature = "wgpu")]
kernels_on!(burn_wgpu::WgpuRuntime);
