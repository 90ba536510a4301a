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

use crate::{
    AttentionShape, FrozenMatrix, IntVector, Kernels, Matrix, Pages, layout::int_vector,
    pages::SlotCopy,
};

/// Room for the keys and values of one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheShape {
    /// Sequences that are in the cache at the same time.
    pub slots: usize,
    /// Most positions of a sequence.
    pub capacity: usize,
    /// Pages of all sequences together, see [`crate::Pages`].
    pub pages: usize,
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

/// The rows of a pass over a cache and where they lie, the same in every layer.
#[derive(Clone, Debug)]
pub struct CachedRows<B: Backend> {
    /// What the rows continue, in their order.
    spans: Vec<Span>,
    /// Of every span the pages of its slot up to its last row.
    pages: Vec<Vec<u32>>,
    /// Where each row lies: `page * PAGE + position in the page`, `[rows]`, i32.
    places: IntVector<B>,
    /// For every row its position plus one and the pages of its slot, `[rows * (1 + parts)]`, i32; what
    /// a slot has less pages than the longest is filled with zeros, which nobody reads.
    sights: IntVector<B>,
    /// Pages of the longest sequence.
    parts: usize,
}

impl<B: Backend> CachedRows<B> {
    /// Looks up where the rows of `spans` lie.
    ///
    /// # Panics
    /// When a slot has no page for a row, or one that was given to another: the generator's own
    /// book-keeping.
    pub fn new(spans: Vec<Span>, pages: &Pages, device: &B::Device) -> Self {
        let own = |span: &Span| {
            pages.of_slot(span.slot)[..Pages::of_positions(span.first + span.rows)].to_vec()
        };
        let places: Vec<i32> =
            spans.iter().flat_map(|&span| pages.places(span)).map(|place| place as i32).collect();
        let pages: Vec<Vec<u32>> = spans.iter().map(own).collect();
        let parts = pages.iter().map(Vec::len).max().unwrap_or(0);
        let sights = sights(&spans, &pages, parts);
        Self {
            spans,
            pages,
            places: int_vector(places, device),
            sights: int_vector(sights, device),
            parts,
        }
    }

    /// What the rows continue, in their order.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Every span with the pages of its slot up to its last row.
    pub(crate) fn spans_with_pages(&self) -> impl Iterator<Item = (Span, &[u32])> {
        self.spans.iter().copied().zip(self.pages.iter().map(Vec::as_slice))
    }

    /// See the fields.
    pub(crate) fn on_device(&self) -> (&IntVector<B>, &IntVector<B>, usize) {
        (&self.places, &self.sights, self.parts)
    }

    /// Number of rows.
    pub fn count(&self) -> usize {
        self.spans.iter().map(|span| span.rows).sum()
    }
}

/// See [`CachedRows::sights`].
fn sights(spans: &[Span], pages: &[Vec<u32>], parts: usize) -> Vec<i32> {
    let mut sights = vec![];
    for (span, pages) in spans.iter().zip(pages) {
        for position in span.first..span.first + span.rows {
            sights.push(position as i32 + 1);
            sights.extend(pages.iter().map(|&page| page as i32));
            sights.resize(sights.len() + parts - pages.len(), 0);
        }
    }
    sights
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

    /// [`Decoding::row_linear`] of several weights that read the same input, to the same bits.
    fn row_linears(x: &Matrix<Self>, weights: &[&Self::RowWeight]) -> Vec<Matrix<Self>> {
        weights.iter().map(|weight| Self::row_linear(x, weight, None)).collect()
    }

    /// An empty cache.
    fn cache(shape: CacheShape, device: &Self::Device) -> Self::Cache;

    /// Stores `k` and `v` at the places of `rows`, then attends causally: a row sees the positions
    /// of its slot up to its own (or the last `window` of them).
    ///
    /// # Shapes
    /// `q [rows, heads * head_dim]`, `k` and `v [rows, kv_heads * head_dim]`, rows in the order of
    /// the spans; returns the output like `q`.
    ///
    /// # Panics
    /// When a span leaves the cache or the spans are not all rows: the generator's own book-keeping.
    fn cached_attention(
        q: &Matrix<Self>,
        k: &Matrix<Self>,
        v: &Matrix<Self>,
        cache: &mut Self::Cache,
        rows: &CachedRows<Self>,
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

    /// Gives a slot the beginning of another: a cache in pages copies the page that is filled in part,
    /// one in slots everything.
    fn copy_slot(cache: &mut Self::Cache, copy: SlotCopy);

    /// Runs `f` where this backend's operations start fastest (the CPU: on a worker thread).
    fn in_pool<R: Send>(f: impl FnOnce() -> R + Send) -> R {
        f()
    }
}

/// Checks that the spans are all rows.
pub(crate) fn check_rows<B: Backend>(q: &Matrix<B>, rows: &CachedRows<B>) {
    assert_eq!(rows.count(), q.dims()[0], "spans cover every row once");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cpu, pages::PAGE};

    #[test]
    fn rows_lie_in_the_pages_of_their_slots() {
        let mut pages = Pages::new(3, 5);
        for (slot, positions) in [(1, 129), (2, 200)] {
            pages.begin(slot, None, positions).expect("there is room");
        }
        let spans =
            vec![Span { slot: 2, first: 127, rows: 2 }, Span { slot: 1, first: 3, rows: 1 }];
        let rows = CachedRows::<Cpu>::new(spans, &pages, &Default::default());
        let (places, sights, parts) = rows.on_device();
        let values = |x: &IntVector<Cpu>| x.to_data().iter::<i32>().collect::<Vec<i32>>();
        let page = PAGE as i32;
        assert_eq!(values(places), [3 * page - 1, 3 * page, 3]);
        assert_eq!((values(sights), parts), (vec![128, 2, 3, 129, 2, 3, 4, 0, 0], 2));
        assert_eq!(rows.count(), 3);
    }
}
