//! The operations of generation: products and attention whose rows do not see each other.
//!
//! On the CPU a row of a result is the same bits whatever the other rows are and however many:
//! every sum has an order that follows from the row alone. (The products of [`Kernels`] take their
//! blocking from the whole shape.) CubeCL backends run CUDA C++ where it covers shapes and card, else
//! [`crate::plain`], and promise equality up to rounding only.
//!
//! No model structure here, and no choice of tokens on the CPU: see `sigil-model`. The CPU's kernels are
//! in `flex/panels/` and `flex/cache.rs`, those for CUDA in `cuda/decoding.rs` and `cuda/choosing.rs`.

use std::fmt::Debug;

use burn::tensor::backend::Backend;

use crate::{AttentionShape, FrozenMatrix, Kernels, Matrix};

/// Room for the keys and values of one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheShape {
    /// Sequences that are in the cache at the same time.
    pub slots: usize,
    /// Positions of a sequence.
    pub capacity: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Features of a head.
    pub head_dim: usize,
}

/// Rows of a flat batch that continue the sequence of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Slot of the sequence.
    pub slot: usize,
    /// Position of the first row; the slot holds all positions before it.
    pub first: usize,
    /// Number of rows.
    pub rows: usize,
}

/// How tokens are chosen from logits: the penalty, then temperature, top-k, top-p, min-p, then a draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChoiceSettings {
    /// Divisor of the logits; 0 takes the likeliest token (greedy).
    pub temperature: f32,
    /// Only tokens with at least the so-manieth largest logit; 0 for all.
    pub top_k: usize,
    /// Only the likeliest tokens that reach this share of the weights together; 1 for all. Of equal ones
    /// the lower token comes first.
    pub top_p: f32,
    /// Only tokens at least this many times as likely as the likeliest; 0 for all.
    pub min_p: f32,
    /// Positive logits of tokens in the text are divided by it, negative ones multiplied; 1 is off.
    pub repetition_penalty: f32,
}

/// What the choice of one row's token depends on besides its logits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowChoice<'a> {
    /// In `[0, 1)`: the share of the weights' sum at which the token lies.
    pub random: f64,
    /// The tokens of the text so far, each once.
    pub seen: &'a [u32],
}

/// The operations of generation, without gradients.
pub trait Decoding: Kernels {
    /// A frozen weight in the form that [`Decoding::row_linear`] reads.
    type RowWeight: Debug + Send + Sync;
    /// Keys and values of one layer.
    type Cache: Debug + Send;

    /// Brings a weight `[out, in]` into the form for generation; takes its memory.
    fn row_weight(weight: FrozenMatrix<Self>) -> Self::RowWeight;

    /// `x [rows, in] · Wᵀ (+ accumulator [rows, out])`, each row by itself.
    fn row_linear(
        x: &Matrix<Self>,
        weight: &Self::RowWeight,
        accumulator: Option<Matrix<Self>>,
    ) -> Matrix<Self>;

    /// An empty cache.
    fn cache(shape: CacheShape, device: &Self::Device) -> Self::Cache;

    /// Bytes that a cache of this shape takes when it is full.
    fn cache_bytes(shape: CacheShape) -> usize {
        2 * 4 * shape.slots * shape.capacity * shape.kv_heads * shape.head_dim
    }

    /// Stores `k` and `v` at the places of `spans`, then attends causally: a row sees the positions
    /// of its slot up to its own (or the last `window` of them).
    ///
    /// # Shapes
    /// `q [rows, heads * head_dim]`, `k` and `v [rows, kv_heads * head_dim]`, rows in the order of
    /// `spans`; returns the output like `q`.
    ///
    /// # Panics
    /// When a span leaves the cache or the spans are not all rows: the generator's own book-keeping.
    fn cached_attention(
        q: &Matrix<Self>,
        k: &Matrix<Self>,
        v: &Matrix<Self>,
        cache: &mut Self::Cache,
        spans: &[Span],
        shape: AttentionShape,
    ) -> Matrix<Self>;

    /// A token for every row of `logits [rows, vocab]`, f32, chosen where the logits are; gives them back
    /// where that is no faster than reading them.
    ///
    /// Greedy, it is the first of the likeliest tokens. Drawn, it has the same distribution wherever it is
    /// drawn, and is a function of the row alone; but the same number need not draw the same token as on
    /// the CPU, where words are counted from the likeliest on.
    ///
    /// # Panics
    /// When `rows` are not as many as the logits' or a text holds no word: the generator's own
    /// book-keeping.
    fn choose(
        logits: Matrix<Self>,
        how: &ChoiceSettings,
        rows: &[RowChoice<'_>],
    ) -> Result<Vec<u32>, Matrix<Self>> {
        let _ = (how, rows);
        Err(logits)
    }

    /// Copies the first `positions` of one slot to another.
    fn copy_slot(cache: &mut Self::Cache, from: usize, to: usize, positions: usize);

    /// Runs `f` where this backend's operations start fastest (the CPU: on a worker thread).
    fn in_pool<R: Send>(f: impl FnOnce() -> R + Send) -> R {
        f()
    }
}

/// The rows that spans cover, which must be all of them.
pub(crate) fn check_spans<B: Backend>(q: &Matrix<B>, spans: &[Span], shape: CacheShape) {
    let rows: usize = spans.iter().map(|span| span.rows).sum();
    assert_eq!(rows, q.dims()[0], "spans cover every row once");
    for span in spans {
        assert!(span.slot < shape.slots, "slot {} of {}", span.slot, shape.slots);
        assert!(span.first + span.rows <= shape.capacity, "the sequence is longer than its slot");
    }
}
