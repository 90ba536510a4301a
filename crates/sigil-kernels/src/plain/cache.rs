//! Keys and values of earlier positions, and attention over them, in plain Burn operations.

use burn::tensor::{Bool, DType, Tensor, TensorData, activation::softmax, backend::Backend};

use crate::{AttentionShape, CacheShape, Matrix, Span, decoding::check_spans, layout::int_vector};

/// Keys and values of one layer, `[slots * capacity, kv_heads * head_dim]`.
#[derive(Clone, Debug)]
pub struct PlainCache<B: Backend> {
    keys: Option<Matrix<B>>,
    values: Option<Matrix<B>>,
    shape: CacheShape,
    device: B::Device,
}

impl<B: Backend> PlainCache<B> {
    /// An empty cache; it takes the dtype of the first rows stored.
    pub fn new(shape: CacheShape, device: &B::Device) -> Self {
        Self { keys: None, values: None, shape, device: device.clone() }
    }

    /// Copies the first `positions` of one slot to another.
    pub fn copy_slot(&mut self, from: usize, to: usize, positions: usize) {
        let capacity = self.shape.capacity;
        for part in [&mut self.keys, &mut self.values] {
            if let Some(all) = part.take() {
                let width = all.dims()[1];
                let source = [from * capacity..from * capacity + positions, 0..width];
                let target = [to * capacity..to * capacity + positions, 0..width];
                let rows = all.clone().slice(source);
                *part = Some(all.slice_assign(target, rows));
            }
        }
    }

    /// The sizes it was made with.
    pub(crate) fn shape(&self) -> CacheShape {
        self.shape
    }

    /// Keys and values, zeros of `dtype` where nothing was stored yet, taken out to be written in place;
    /// [`PlainCache::put`] gives them back.
    pub(crate) fn take(&mut self, dtype: DType) -> [Matrix<B>; 2] {
        let CacheShape { slots, capacity, kv_heads, head_dim } = self.shape;
        let empty =
            || Matrix::zeros([slots * capacity, kv_heads * head_dim], (&self.device, dtype));
        let [keys, values] = [self.keys.take(), self.values.take()];
        [keys.unwrap_or_else(empty), values.unwrap_or_else(empty)]
    }

    /// Gives back what [`PlainCache::take`] took.
    pub(crate) fn put(&mut self, [keys, values]: [Matrix<B>; 2]) {
        (self.keys, self.values) = (Some(keys), Some(values));
    }

    fn store(&mut self, k: &Matrix<B>, v: &Matrix<B>, spans: &[Span]) {
        let CacheShape { slots, capacity, kv_heads, head_dim } = self.shape;
        let width = kv_heads * head_dim;
        for (part, rows) in [(&mut self.keys, k), (&mut self.values, v)] {
            let empty = || Matrix::zeros([slots * capacity, width], (&self.device, rows.dtype()));
            let mut all = part.take().unwrap_or_else(empty);
            let mut at = 0;
            for span in spans {
                let new = rows.clone().slice([at..at + span.rows, 0..width]);
                let to = span.slot * capacity + span.first;
                all = all.slice_assign([to..to + span.rows, 0..width], new);
                at += span.rows;
            }
            *part = Some(all);
        }
    }
}

/// See [`crate::Decoding::cached_attention`].
pub fn cached_attention<B: Backend>(
    q: &Matrix<B>,
    k: &Matrix<B>,
    v: &Matrix<B>,
    cache: &mut PlainCache<B>,
    spans: &[Span],
    shape: AttentionShape,
) -> Matrix<B> {
    check_spans(q, spans, cache.shape);
    cache.store(k, v, spans);
    let keys = cache.keys.clone().expect("stored above");
    let values = cache.values.clone().expect("stored above");
    if spans.iter().all(|span| span.rows == 1) {
        return next_tokens(q, keys, values, cache.shape, spans, shape);
    }
    let [_, width] = q.dims();
    let mut at = 0;
    let parts = spans.iter().map(|span| {
        let query = q.clone().slice([at..at + span.rows, 0..width]);
        at += span.rows;
        let from = span.slot * cache.shape.capacity;
        let seen = [from..from + span.first + span.rows, 0..keys.dims()[1]];
        let (keys, values) = (keys.clone().slice(seen.clone()), values.clone().slice(seen));
        one_sequence(query, keys, values, span.first, shape)
    });
    let parts: Vec<Matrix<B>> = parts.collect();
    Tensor::cat(parts, 0)
}

/// The last rows of one sequence; `keys` and `values` are all of its positions.
fn one_sequence<B: Backend>(
    q: Matrix<B>,
    keys: Matrix<B>,
    values: Matrix<B>,
    first: usize,
    shape: AttentionShape,
) -> Matrix<B> {
    let (device, dtype) = (q.device(), q.dtype());
    let ([rows, width], [length, _]) = (q.dims(), keys.dims());
    let AttentionShape { heads, kv_heads, head_dim, window, scale } = shape;
    let q = q.cast(DType::F32).reshape([rows, heads, head_dim]).swap_dims(0, 1);
    let repeated = |x: Matrix<B>| -> Tensor<B, 3> {
        let x = x.cast(DType::F32).reshape([length, kv_heads, head_dim]).swap_dims(0, 1);
        let x = x.reshape([kv_heads, 1, length * head_dim]).repeat_dim(1, heads / kv_heads);
        x.reshape([heads, length, head_dim])
    };
    let hidden: Vec<bool> = (0..rows * length)
        .map(|at| (first + at / length, at % length))
        .map(|(i, j)| j > i || window.is_some_and(|window| i - j >= window))
        .collect();
    let hidden = TensorData::new(hidden, [1, rows, length]);
    let hidden = Tensor::<B, 3, Bool>::from_data(hidden, &device).repeat_dim(0, heads);
    let scores = q.matmul(repeated(keys).swap_dims(1, 2)).mul_scalar(scale);
    let weights = softmax(scores.mask_fill(hidden, f32::NEG_INFINITY), 2);
    weights.matmul(repeated(values)).swap_dims(0, 1).reshape([rows, width]).cast(dtype)
}

/// One row of each of several sequences at once, padded to the longest.
fn next_tokens<B: Backend>(
    q: &Matrix<B>,
    keys: Matrix<B>,
    values: Matrix<B>,
    cache: CacheShape,
    spans: &[Span],
    shape: AttentionShape,
) -> Matrix<B> {
    let (device, dtype) = (q.device(), q.dtype());
    let [rows, width] = q.dims();
    let AttentionShape { heads, kv_heads, head_dim, window, scale } = shape;
    let longest = spans.iter().map(|span| span.first + 1).max().unwrap_or(0);
    let slots = int_vector::<B>(spans.iter().map(|span| span.slot as i32).collect(), &device);
    let gathered = |all: Matrix<B>| -> Tensor<B, 4> {
        let all = all.reshape([cache.slots, cache.capacity, kv_heads * head_dim]);
        let own = all.slice([0..cache.slots, 0..longest]).select(0, slots.clone());
        let own = own.cast(DType::F32).reshape([rows, longest, kv_heads, head_dim]);
        let own = own.swap_dims(1, 2).reshape([rows, kv_heads, 1, longest * head_dim]);
        own.repeat_dim(2, heads / kv_heads).reshape([rows, heads, longest, head_dim])
    };
    let hidden: Vec<bool> = spans
        .iter()
        .flat_map(|span| {
            let first = window.map_or(0, |window| (span.first + 1).saturating_sub(window));
            (0..longest).map(move |j| j > span.first || j < first)
        })
        .collect();
    let hidden = TensorData::new(hidden, [rows, 1, 1, longest]);
    let hidden = Tensor::<B, 4, Bool>::from_data(hidden, &device).repeat_dim(1, heads);
    let q = q.clone().cast(DType::F32).reshape([rows, heads, 1, head_dim]);
    let scores = q.matmul(gathered(keys).swap_dims(2, 3)).mul_scalar(scale);
    let weights = softmax(scores.mask_fill(hidden, f32::NEG_INFINITY), 3);
    weights.matmul(gathered(values)).reshape([rows, width]).cast(dtype)
}
