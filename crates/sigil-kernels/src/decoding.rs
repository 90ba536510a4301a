//! The operations of generation: products and attention whose rows do not see each other.
//!
//! On the CPU a row of a result is the same bits whatever the other rows are and however many:
//! every sum has an order that follows from the row alone. (The products of [`Kernels`] take their
//! blocking from the whole shape.) CubeCL backends run CUDA C++ where it covers shapes and card, else
//! [`crate::plain`], and promise equality up to rounding only.
//!
//! No sampling here and no model structure: see `sigil-model`. The CPU's kernels are in
//! `flex/panels/` and `flex/cache.rs`, those for CUDA in `cuda/decoding.rs`.

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

    /// The likeliest token of every row of `logits [rows, vocab]`, f32, the first of equal ones, chosen
    /// where the logits are; `None` where that is no faster than reading them.
    fn likeliest(logits: &Matrix<Self>) -> Option<Vec<u32>> {
        let _ = logits;
        None
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
