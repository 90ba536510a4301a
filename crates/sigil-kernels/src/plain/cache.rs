//! Keys and values of earlier positions, and attention over them, in plain Burn operations.

use burn::tensor::{Bool, DType, Tensor, TensorData, activation::softmax, backend::Backend};

use crate::{
    AttentionShape, CacheShape, CachedRows, Matrix, SlotCopy, decoding::check_rows,
    layout::int_vector, pages::PAGE,
};

/// Keys and values of one layer in pages, `[pages * PAGE, kv_heads * head_dim]`.
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

    /// Copies the page that the beginning fills in part; whole ones are shared.
    pub fn copy_slot(&mut self, copy: SlotCopy) {
        let Some(pages) = copy.page else { return };
        let [source, target] = pages.map(|page| page as usize * PAGE);
        for part in [&mut self.keys, &mut self.values] {
            if let Some(all) = part.take() {
                let width = all.dims()[1];
                let rows = all.clone().slice([source..source + PAGE, 0..width]);
                *part = Some(all.slice_assign([target..target + PAGE, 0..width], rows));
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
        let CacheShape { pages, kv_heads, head_dim, .. } = self.shape;
        let empty = || Matrix::zeros([pages * PAGE, kv_heads * head_dim], (&self.device, dtype));
        let [keys, values] = [self.keys.take(), self.values.take()];
        [keys.unwrap_or_else(empty), values.unwrap_or_else(empty)]
    }

    /// Gives back what [`PlainCache::take`] took.
    pub(crate) fn put(&mut self, [keys, values]: [Matrix<B>; 2]) {
        (self.keys, self.values) = (Some(keys), Some(values));
    }

    /// Stores the rows and returns all keys and values.
    fn store(&mut self, k: &Matrix<B>, v: &Matrix<B>, rows: &CachedRows<B>) -> [Matrix<B>; 2] {
        let width = k.dims()[1];
        let stored = |mut all: Matrix<B>, new: &Matrix<B>| {
            let mut at = 0;
            for (span, pages) in rows.spans_with_pages() {
                let (mut position, end) = (span.first, span.first + span.rows);
                while position < end {
                    let count = (PAGE - position % PAGE).min(end - position);
                    let to = place(pages, position);
                    let new = new.clone().slice([at..at + count, 0..width]);
                    all = all.slice_assign([to..to + count, 0..width], new);
                    (at, position) = (at + count, position + count);
                }
            }
            all
        };
        let [keys, values] = self.take(k.dtype());
        let all = [stored(keys, k), stored(values, v)];
        self.put(all.clone());
        all
    }
}

/// Where a position lies in a cache.
fn place(pages: &[u32], position: usize) -> usize {
    pages[position / PAGE] as usize * PAGE + position % PAGE
}

/// See [`crate::Decoding::cached_attention`].
pub fn cached_attention<B: Backend>(
    q: &Matrix<B>,
    k: &Matrix<B>,
    v: &Matrix<B>,
    cache: &mut PlainCache<B>,
    rows: &CachedRows<B>,
    shape: AttentionShape,
) -> Matrix<B> {
    check_rows(q, rows);
    let [keys, values] = cache.store(k, v, rows);
    if rows.spans().iter().all(|span| span.rows == 1) {
        return next_tokens(q, &keys, &values, rows, shape);
    }
    let [_, width] = q.dims();
    let mut at = 0;
    let parts = rows.spans_with_pages().map(|(span, pages)| {
        let query = q.clone().slice([at..at + span.rows, 0..width]);
        at += span.rows;
        let seen = (0..span.first + span.rows).map(|position| place(pages, position) as i32);
        let seen = int_vector::<B>(seen.collect(), &q.device());
        let (keys, values) = (keys.clone().select(0, seen.clone()), values.clone().select(0, seen));
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
    keys: &Matrix<B>,
    values: &Matrix<B>,
    all_rows: &CachedRows<B>,
    shape: AttentionShape,
) -> Matrix<B> {
    let (device, dtype) = (q.device(), q.dtype());
    let ([rows, width], spans) = (q.dims(), all_rows.spans());
    let AttentionShape { heads, kv_heads, head_dim, window, scale } = shape;
    let longest = spans.iter().map(|span| span.first + 1).max().unwrap_or(0);
    // Behind the end of a sequence its last position again, which is hidden.
    let places = all_rows.spans_with_pages().flat_map(|(span, pages)| {
        (0..longest).map(move |position| place(pages, position.min(span.first)) as i32)
    });
    let places = int_vector::<B>(places.collect(), &device);
    let gathered = |all: &Matrix<B>| -> Tensor<B, 4> {
        let own = all.clone().select(0, places.clone());
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
