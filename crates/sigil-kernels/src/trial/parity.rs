//! Every operation of a backend beside the plain version in f32 on the CPU.
//!
//! Inputs are rounded to the dtype first, so that what differs is arithmetic: its order, and where a
//! backend rounds. An error is the largest difference over the largest element.

use burn::tensor::{DType, Tensor};

use super::{
    choosing,
    inputs::{layout, matrix, quantized, vector},
    parity_linear::{adapted_linear, adapted_linears},
    parity_optimizer::{optimizer, optimizer_of_many},
    parity_quantize::quantize,
};
use crate::{
    AttentionShape, Beginning, CacheShape, CachedRows, Cpu, Decoding, FrozenMatrix, Kernels,
    Matrix, Pages, Product, RotaryTable, Span, layout::int_vector, plain,
};

/// One operation.
pub struct ParityCase {
    /// Operation and size.
    pub name: String,
    /// Largest error that is rounding.
    pub tolerance: f64,
    /// Runs it; the largest error of its results, where a NaN is infinite.
    pub run: Box<dyn Fn() -> f64>,
}

/// Largest difference over the largest element.
pub(super) fn error<B: Kernels, const D: usize>(
    actual: Tensor<B, D>,
    wanted: Tensor<Cpu, D>,
) -> f64 {
    let (shape, same) = (actual.dims(), wanted.dims());
    if shape != same {
        return f64::INFINITY;
    }
    let actual = actual.into_data().convert::<f32>();
    let wanted = wanted.into_data().convert::<f32>();
    let largest = wanted.iter::<f32>().fold(1e-3f32, |most, x| most.max(x.abs()));
    let mut worst = 0.0f64;
    for (a, w) in actual.iter::<f32>().zip(wanted.iter::<f32>()) {
        let difference = f64::from((a - w).abs() / largest);
        worst = if difference.is_nan() { f64::INFINITY } else { worst.max(difference) };
    }
    worst
}

pub(super) fn worst(errors: impl IntoIterator<Item = f64>) -> f64 {
    errors.into_iter().fold(0.0, f64::max)
}

/// The cases for activations of `dtype` on `device`: `tolerance` for results that are rounded to
/// it, and for sums of products.
pub fn parity_cases<B: Decoding>(
    device: &B::Device,
    dtype: DType,
    tolerance: f64,
) -> Vec<ParityCase> {
    let mut cases = vec![];
    let mut add = |name: String, tolerance: f64, run: Box<dyn Fn() -> f64>| {
        cases.push(ParityCase { name, tolerance, run });
    };
    for (product, lhs, rhs) in [
        (Product::Nt, [300, 264], [520, 264]),
        (Product::Nt, [1, 512], [256, 512]),
        (Product::Nn, [300, 520], [520, 264]),
        (Product::Nn, [300, 520], [520, 16]),
        (Product::Tn, [1000, 264], [1000, 16]),
        (Product::Tn, [1000, 16], [1000, 264]),
    ] {
        let device = device.clone();
        let run = move || {
            let both = |seed, shape| {
                (matrix::<B>(seed, shape, dtype, &device), cpu_matrix(seed, shape, dtype))
            };
            let ((lhs, lhs_cpu), (rhs, rhs_cpu)) = (both(1, lhs), both(2, rhs));
            let plain = plain::product(product, &lhs_cpu, &rhs_cpu, 0.5, None);
            let (sum, sum_cpu) = both(3, plain.dims());
            worst([
                error(B::product(product, &lhs, &rhs, 0.5, None), plain.clone()),
                error(B::product(product, &lhs, &rhs, 0.5, Some(sum)), plain + sum_cpu),
            ])
        };
        add(format!("product {product:?} {lhs:?} {rhs:?}"), tolerance, Box::new(run));
    }
    let on = device.clone();
    add(
        "dequantize [264, 512]".to_owned(),
        if dtype == DType::F32 { 1e-6 } else { tolerance },
        Box::new(move || {
            let wanted = plain::dequantize(&quantized::<Cpu>(4, [264, 512], &CPU), DType::F32);
            error(<B as Kernels>::dequantize(&quantized::<B>(4, [264, 512], &on), dtype), wanted)
        }),
    );
    let on = device.clone();
    add("quantize [131, 97]".to_owned(), 0.0, Box::new(move || quantize::<B>(&on)));
    let on = device.clone();
    add(
        "adapted linear, forward and backward".to_owned(),
        tolerance,
        Box::new(move || adapted_linear::<B>(&on, dtype)),
    );
    let on = device.clone();
    add(
        "adapted linears of one input, forward and backward".to_owned(),
        tolerance,
        Box::new(move || adapted_linears::<B>(&on, dtype)),
    );
    for (head_dim, lengths, window) in [
        (64, vec![150, 3, 64, 80], None),
        (128, vec![300, 20], None),
        (128, vec![40, 200], Some(33)),
        (32, vec![70, 9], None),
    ] {
        let on = device.clone();
        let name = format!("attention, heads of {head_dim}, documents {lengths:?}, {window:?}");
        let run = move || attention::<B>(&on, dtype, head_dim, &lengths, window);
        add(name, tolerance, Box::new(run));
    }
    for tokens in [1, 5, 16, 27] {
        let on = device.clone();
        let run = move || row_linear::<B>(&on, dtype, tokens);
        add(format!("rows of {tokens} tokens, NF4"), tolerance, Box::new(run));
    }
    for (heads, kv_heads, head_dim, window) in
        [(8, 2, 128, None), (6, 1, 64, Some(20)), (3, 3, 32, None)]
    {
        let on = device.clone();
        let name =
            format!("attention over a cache, {heads}/{kv_heads} heads of {head_dim}, {window:?}");
        let shape = AttentionShape {
            heads,
            kv_heads,
            head_dim,
            window,
            scale: (head_dim as f32).powf(-0.5),
        };
        add(name, tolerance, Box::new(move || cached_attention::<B>(&on, dtype, shape)));
    }
    let on = device.clone();
    add("likeliest tokens".to_owned(), 0.0, Box::new(move || choosing::likeliest::<B>(&on)));
    let on = device.clone();
    // A word less or more at the end of what is kept moves the shares by less.
    add("drawn tokens".to_owned(), 1e-3, Box::new(move || choosing::drawn::<B>(&on)));
    let on = device.clone();
    add(
        "norm, SwiGLU, bias, rotation".to_owned(),
        tolerance,
        Box::new(move || elementwise::<B>(&on, dtype)),
    );
    let on = device.clone();
    add("head and loss".to_owned(), tolerance, Box::new(move || head::<B>(&on, dtype)));
    let on = device.clone();
    add("AdamW and norm".to_owned(), 1e-5, Box::new(move || optimizer::<B>(&on)));
    let on = device.clone();
    let name = "AdamW and norm of many matrices".to_owned();
    add(name, 1e-5, Box::new(move || optimizer_of_many::<B>(&on)));
    cases
}

const CPU: <Cpu as burn::tensor::backend::BackendTypes>::Device = burn_flex::FlexDevice;

pub(super) fn cpu_matrix(seed: u64, shape: [usize; 2], dtype: DType) -> crate::Matrix<Cpu> {
    let values = super::inputs::numbers(seed, shape[0] * shape[1], dtype);
    let data = burn::tensor::TensorData::new(values, shape);
    Tensor::from_data(data, (&CPU, DType::F32))
}

fn attention<B: Kernels>(
    device: &B::Device,
    dtype: DType,
    head_dim: usize,
    lengths: &[usize],
    window: Option<usize>,
) -> f64 {
    let tokens = lengths.iter().sum();
    let scale = (head_dim as f32).powf(-0.5);
    let shape = AttentionShape { heads: 4, kv_heads: 2, head_dim, window, scale };
    let both =
        |seed, shape| (matrix::<B>(seed, shape, dtype, device), cpu_matrix(seed, shape, dtype));
    let (q, q_cpu) = both(1, [tokens, 4 * head_dim]);
    let (k, k_cpu) = both(2, [tokens, 2 * head_dim]);
    let (v, v_cpu) = both(3, [tokens, 2 * head_dim]);
    let (dout, dout_cpu) = both(4, [tokens, 4 * head_dim]);
    let (documents, documents_cpu) = (layout::<B>(lengths, device), layout::<Cpu>(lengths, &CPU));
    let (out, sums) = <B as Kernels>::attention(&q, &k, &v, &documents, shape);
    let (out_cpu, sums_cpu) = plain::attention(&q_cpu, &k_cpu, &v_cpu, &documents_cpu, shape);
    let forward = [error(out.clone(), out_cpu.clone()), error(sums.clone(), sums_cpu.clone())];
    let (dq, dk, dv) = B::attention_backward(&dout, &q, &k, &v, &out, &sums, &documents, shape);
    let (dq_cpu, dk_cpu, dv_cpu) = plain::attention_backward(
        &dout_cpu,
        &q_cpu,
        &k_cpu,
        &v_cpu,
        &out_cpu,
        &sums_cpu,
        &documents_cpu,
        shape,
    );
    let backward = [error(dq, dq_cpu), error(dk, dk_cpu), error(dv, dv_cpu)];
    worst(forward.into_iter().chain(backward))
}

fn elementwise<B: Kernels>(device: &B::Device, dtype: DType) -> f64 {
    let (rows, columns) = (70, 512);
    let both = |seed| {
        (
            matrix::<B>(seed, [rows, columns], dtype, device),
            cpu_matrix(seed, [rows, columns], dtype),
        )
    };
    let ((x, x_cpu), (dy, dy_cpu), (z, z_cpu)) = (both(1), both(2), both(3));
    let (weight, weight_cpu) = (vector::<B>(4, columns, device), vector::<Cpu>(4, columns, &CPU));
    let (y, root) = B::rms_norm(&x, &weight, 1e-5);
    let (y_cpu, root_cpu) = plain::rms_norm(&x_cpu, &weight_cpu, 1e-5);
    let (dx, _) = B::rms_norm_backward(&dy, &x, &weight, &root, Some(z.clone()), None);
    let (dx_cpu, _) = plain::rms_norm_backward(
        &dy_cpu,
        &x_cpu,
        &weight_cpu,
        &root_cpu,
        Some(z_cpu.clone()),
        None,
    );
    let (dgate, dup) = B::swiglu_backward(dy.clone(), &x, &z);
    let (dgate_cpu, dup_cpu) = plain::swiglu_backward(dy_cpu.clone(), &x_cpu, &z_cpu);
    let frequencies: Vec<f32> = (0..32).map(|i| 0.8f32.powi(i)).collect();
    let table = RotaryTable::<B>::new(&frequencies, 1.0, rows, device);
    let table_cpu = RotaryTable::<Cpu>::new(&frequencies, 1.0, rows, &CPU);
    let documents = [rows - 20, 20];
    let (at, at_cpu) = (layout::<B>(&documents, device), layout::<Cpu>(&documents, &CPU));
    worst([
        error(y, y_cpu),
        error(root, root_cpu),
        error(dx, dx_cpu),
        error(B::swiglu(&x, &z), plain::swiglu(&x_cpu, &z_cpu)),
        error(dgate, dgate_cpu),
        error(dup, dup_cpu),
        error(B::add_bias(x.clone(), &weight), plain::add_bias(x_cpu.clone(), &weight_cpu)),
        error(
            B::rotate(x, &table, &at, 128, true),
            plain::rotate(x_cpu, &table_cpu, &at_cpu, 128, true),
        ),
    ])
}

fn row_linear<B: Decoding>(device: &B::Device, dtype: DType, tokens: usize) -> f64 {
    let [out, into] = [264, 1344];
    let x = matrix::<B>(1, [tokens, into], dtype, device);
    let x_cpu = cpu_matrix(1, [tokens, into], dtype);
    let sum = matrix::<B>(2, [tokens, out], dtype, device);
    let sum_cpu = cpu_matrix(2, [tokens, out], dtype);
    let weight = B::row_weight(FrozenMatrix::Quantized(quantized::<B>(3, [out, into], device)));
    let weight_cpu = FrozenMatrix::Quantized(quantized::<Cpu>(3, [out, into], &CPU));
    worst([
        error(B::row_linear(&x, &weight, None), plain::linear(&x_cpu, &weight_cpu, None)),
        error(
            B::row_linear(&x, &weight, Some(sum)),
            plain::linear(&x_cpu, &weight_cpu, Some(sum_cpu)),
        ),
        row_linears::<B>(device, (&x, &x_cpu)),
    ])
}

/// Weights of several heights that read the same input.
fn row_linears<B: Decoding>(device: &B::Device, x: (&Matrix<B>, &Matrix<Cpu>)) -> f64 {
    let into = x.0.dims()[1];
    let shapes = [[264, into], [40, into], [19, into]];
    let weights = |seed| shapes.map(|shape| quantized::<B>(seed + shape[0] as u64, shape, device));
    let weights = weights(5).map(|weight| B::row_weight(FrozenMatrix::Quantized(weight)));
    let errors = [2, 3].into_iter().flat_map(|count| {
        let group: Vec<&B::RowWeight> = weights.iter().take(count).collect();
        let found = B::row_linears(x.0, &group);
        assert_eq!(found.len(), count);
        found.into_iter().zip(shapes).map(|(found, shape)| {
            let weight = quantized::<Cpu>(5 + shape[0] as u64, shape, &CPU);
            error(found, plain::linear(x.1, &FrozenMatrix::Quantized(weight), None))
        })
    });
    worst(errors.collect::<Vec<_>>())
}

/// Prompts, then single tokens in another order of slots, then two more at once, then a copy of the first
/// prompt that goes on beside it. Pages do not lie in the order of positions.
fn cached_attention<B: Decoding>(device: &B::Device, dtype: DType, shape: AttentionShape) -> f64 {
    let AttentionShape { heads, kv_heads, head_dim, .. } = shape;
    let mut pages = Pages::new(4, 9);
    let room = CacheShape { slots: 4, capacity: 200, pages: 9, kv_heads, head_dim };
    // Slot 0 takes what slots 1 and 3 give back, the last page first.
    for (slot, positions) in [(1, 128), (3, 100), (1, 0), (3, 0), (0, 200), (2, 200), (1, 9)] {
        pages.begin(slot, None, positions).expect("there is room");
    }
    let mut cache = B::cache(room, device);
    let mut cache_cpu = plain::PlainCache::<Cpu>::new(room, &CPU);
    let span = |slot, first, rows| Span { slot, first, rows };
    let passes = [
        vec![span(0, 0, 150), span(2, 0, 5)],
        vec![span(2, 5, 1), span(0, 150, 1)],
        vec![span(0, 151, 2), span(1, 0, 1)],
        vec![span(3, 150, 1), span(0, 153, 1), span(3, 151, 1)],
    ];
    worst(passes.into_iter().zip(0u64..).map(|(spans, pass)| {
        if pass == 3 {
            let beginning = Beginning { slot: 0, positions: 150 };
            let copy = pages.begin(3, Some(beginning), 200).expect("there is room");
            let copy = copy.expect("it fills a page in part");
            B::copy_slot(&mut cache, copy);
            cache_cpu.copy_slot(copy);
        }
        let rows = CachedRows::<B>::new(spans.clone(), &pages, device);
        let rows_cpu = CachedRows::<Cpu>::new(spans, &pages, &CPU);
        let both = |seed: u64, heads: usize| {
            let shape = [rows.count(), heads * head_dim];
            let seed = 10 * pass + seed;
            (matrix::<B>(seed, shape, dtype, device), cpu_matrix(seed, shape, dtype))
        };
        let ((q, q_cpu), (k, k_cpu), (v, v_cpu)) =
            (both(1, heads), both(2, kv_heads), both(3, kv_heads));
        let found = B::cached_attention(&q, &k, &v, &mut cache, &rows, shape);
        let cache = &mut cache_cpu;
        let wanted = plain::cached_attention(&q_cpu, &k_cpu, &v_cpu, cache, &rows_cpu, shape);
        error(found, wanted)
    }))
}

fn head<B: Kernels>(device: &B::Device, dtype: DType) -> f64 {
    let (tokens, vocab, hidden) = (60, 1000, 256);
    let both =
        |seed, shape| (matrix::<B>(seed, shape, dtype, device), cpu_matrix(seed, shape, dtype));
    let (x, x_cpu) = both(1, [tokens, hidden]);
    let (weight, weight_cpu) = both(2, [vocab, hidden]);
    // Logits of the size that a model has.
    let (weight, weight_cpu) = (weight.mul_scalar(0.0625), weight_cpu.mul_scalar(0.0625));
    let (weight, weight_cpu) = (FrozenMatrix::Dense(weight), FrozenMatrix::Dense(weight_cpu));
    let targets: Vec<i32> =
        (0..tokens as i32).map(|i| if i % 7 == 3 { -1 } else { i * 13 % 1000 }).collect();
    let ours = B::head_loss(&x, &weight, &targets, Some(1.0), None);
    let plain = plain::head_loss(&x_cpu, &weight_cpu, &targets, Some(1.0), None);
    let (Some(gradient), Some(gradient_cpu)) = (ours.hidden_gradient, plain.hidden_gradient) else {
        return f64::INFINITY;
    };
    let ids: Vec<i32> = targets.iter().map(|&target| target.max(0)).collect();
    let (table, table_cpu) = both(3, [vocab, hidden]);
    let rows = B::embed(&table, &int_vector::<B>(ids.clone(), device), dtype);
    let rows_cpu = plain::embed(&table_cpu, &int_vector::<Cpu>(ids, &CPU), DType::F32);
    worst([
        error(ours.nll, plain.nll),
        error(gradient, gradient_cpu),
        error(B::logits(&x, &weight), plain::logits(&x_cpu, &weight_cpu)),
        error(rows, rows_cpu),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_agrees_with_the_plain_version() {
        for case in parity_cases::<Cpu>(&CPU, DType::F32, 2e-5) {
            let error = (case.run)();
            assert!(error <= case.tolerance, "{}: {error:e}", case.name);
        }
    }

    #[test]
    fn a_wrong_number_and_a_nan_are_seen() {
        let good = cpu_matrix(1, [3, 4], DType::F32);
        assert_eq!(error(good.clone(), good.clone()), 0.0);
        assert!(error(good.clone().mul_scalar(1.1), good.clone()) > 0.05);
        assert_eq!(error(good.clone().mul_scalar(f32::NAN), good.clone()), f64::INFINITY);
        assert_eq!(error(good.clone().transpose(), good), f64::INFINITY);
    }
}
