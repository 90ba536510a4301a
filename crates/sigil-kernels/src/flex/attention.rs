//! Causal attention inside documents, tile by tile; the scores of a tile live in the cache.
//!
//! Forward tasks are runs of query rows (all heads). Backward tasks are (document, key-value head):
//! each owns the gradients of its head, so nothing is added across tasks.

use rayon::prelude::*;

use super::{
    gemm::{Strided, Write, product_into},
    lanes::{dot, exp, max, sum, vectorized},
    view::{View, matrix},
};
use crate::{AttentionShape, Cpu, Matrix, SequenceLayout};

/// Query rows of a tile.
const TILE: usize = 64;

/// Query rows `from..to` of the document that starts at `document`, and the first key they see.
#[derive(Clone, Copy)]
struct Tile {
    document: usize,
    from: usize,
    to: usize,
    first_key: usize,
}

impl Tile {
    /// The tiles of a document `start..end`.
    fn of(
        (start, end): (usize, usize),
        window: Option<usize>,
    ) -> impl Iterator<Item = Self> + Clone {
        (start..end).step_by(TILE).map(move |from| {
            let first_key = window.map_or(start, |w| start.max((from + 1).saturating_sub(w)));
            Self { document: start, from, to: (from + TILE).min(end), first_key }
        })
    }

    fn rows(&self) -> usize {
        self.to - self.from
    }

    fn keys(&self) -> usize {
        self.to - self.first_key
    }

    /// Keys that query `row` of the tile sees, counted from `first_key`.
    fn visible(&self, row: usize, window: Option<usize>) -> std::ops::Range<usize> {
        let query = self.from + row;
        let first =
            window.map_or(self.document, |w| self.document.max((query + 1).saturating_sub(w)));
        first - self.first_key..query + 1 - self.first_key
    }
}

/// See [`crate::Kernels::attention`].
pub(super) fn forward(
    q: &Matrix<Cpu>,
    k: &Matrix<Cpu>,
    v: &Matrix<Cpu>,
    layout: &SequenceLayout<Cpu>,
    shape: AttentionShape,
) -> (Matrix<Cpu>, Matrix<Cpu>) {
    let ([tokens, width], [_, kv_width]) = (q.dims(), k.dims());
    let (q, k, v) = (View::of(q), View::of(k), View::of(v));
    let (q, k, v): (&[f32], &[f32], &[f32]) = (q.slice(), k.slice(), v.slice());
    let mut out = vec![0.0f32; tokens * width];
    let mut log_sum_exp = vec![0.0f32; tokens * shape.heads];

    let mut tasks = vec![];
    let (mut out_rest, mut sums_rest) = (&mut out[..], &mut log_sum_exp[..]);
    for tile in layout.documents().flat_map(|document| Tile::of(document, shape.window)) {
        let (own_out, rest) = out_rest.split_at_mut(tile.rows() * width);
        let (own_sums, sums) = sums_rest.split_at_mut(tile.rows() * shape.heads);
        (out_rest, sums_rest) = (rest, sums);
        tasks.push((tile, own_out, own_sums));
    }
    tasks.into_par_iter().for_each(|(tile, out, sums)| {
        let (rows, keys, dim) = (tile.rows(), tile.keys(), shape.head_dim);
        let mut scores = vec![0.0f32; rows * keys];
        for head in 0..shape.heads {
            let kv_at = tile.first_key * kv_width + head / (shape.heads / shape.kv_heads) * dim;
            let query = Strided::rows(&q[tile.from * width + head * dim..], width);
            let key = Strided::rows(&k[kv_at..], kv_width).transposed();
            let (replace, scale) = (Write::Replace, shape.scale);
            product_into([rows, keys, dim], query, key, scale, &mut scores, keys, replace, false);
            vectorized(|| {
                for (row, scores) in scores.chunks_exact_mut(keys).enumerate() {
                    let seen = tile.visible(row, shape.window);
                    sums[row * shape.heads + head] = softmax(scores, seen);
                }
            });
            let (scores, value) =
                (Strided::rows(&scores, keys), Strided::rows(&v[kv_at..], kv_width));
            let out = &mut out[head * dim..];
            product_into([rows, dim, keys], scores, value, 1.0, out, width, replace, false);
        }
    });
    (matrix(out, [tokens, width]), matrix(log_sum_exp, [tokens, shape.heads]))
}

/// Softmax over the seen scores in place, zero elsewhere; returns the log-sum-exp.
#[inline(always)]
fn softmax(scores: &mut [f32], seen: std::ops::Range<usize>) -> f32 {
    scores[..seen.start].fill(0.0);
    scores[seen.end..].fill(0.0);
    let scores = &mut scores[seen];
    let top = max(scores);
    scores.iter_mut().for_each(|score| *score = exp(*score - top));
    let total = sum(scores);
    let factor = 1.0 / total;
    scores.iter_mut().for_each(|score| *score *= factor);
    top + total.ln()
}

/// Gradients of one (document, key-value head).
struct HeadGradients {
    /// Of the group's query heads, `[length, group * head_dim]`.
    dq: Vec<f32>,
    dk: Vec<f32>,
    dv: Vec<f32>,
}

/// See [`crate::Kernels::attention_backward`].
pub(super) fn backward(
    dout: &Matrix<Cpu>,
    q: &Matrix<Cpu>,
    k: &Matrix<Cpu>,
    v: &Matrix<Cpu>,
    out: &Matrix<Cpu>,
    log_sum_exp: &Matrix<Cpu>,
    layout: &SequenceLayout<Cpu>,
    shape: AttentionShape,
) -> (Matrix<Cpu>, Matrix<Cpu>, Matrix<Cpu>) {
    let ([tokens, width], [_, kv_width]) = (q.dims(), k.dims());
    let views = [dout, q, k, v, out, log_sum_exp].map(View::of);
    let [dout, q, k, v, out, sums] = [0, 1, 2, 3, 4, 5].map(|i: usize| views[i].slice::<f32>());
    let inputs = Inputs { dout, q, k, v, out, sums, width, kv_width, shape };
    let documents: Vec<_> = layout.documents().collect();
    let parts: Vec<HeadGradients> = (0..documents.len() * shape.kv_heads)
        .into_par_iter()
        .map(|task| inputs.head_gradients(documents[task / shape.kv_heads], task % shape.kv_heads))
        .collect();

    let group = width / shape.kv_heads;
    let assemble = |width: usize, part_width: usize, of: fn(&HeadGradients) -> &[f32]| {
        let mut whole = Vec::with_capacity(tokens * width);
        for (document, &(start, end)) in documents.iter().enumerate() {
            let own = &parts[document * shape.kv_heads..(document + 1) * shape.kv_heads];
            for row in 0..end - start {
                for part in own {
                    whole.extend_from_slice(&of(part)[row * part_width..(row + 1) * part_width]);
                }
            }
        }
        matrix(whole, [tokens, width])
    };
    (
        assemble(width, group, |part| &part.dq),
        assemble(kv_width, shape.head_dim, |part| &part.dk),
        assemble(kv_width, shape.head_dim, |part| &part.dv),
    )
}

/// What every backward task reads.
struct Inputs<'a> {
    dout: &'a [f32],
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    out: &'a [f32],
    sums: &'a [f32],
    width: usize,
    kv_width: usize,
    shape: AttentionShape,
}

impl Inputs<'_> {
    fn head_gradients(&self, (start, end): (usize, usize), kv_head: usize) -> HeadGradients {
        let Self { width, kv_width, shape, .. } = *self;
        let (length, dim, group) = (end - start, shape.head_dim, shape.heads / shape.kv_heads);
        let mut result = HeadGradients {
            dq: vec![0.0; length * group * dim],
            dk: vec![0.0; length * dim],
            dv: vec![0.0; length * dim],
        };
        let mut p = vec![0.0f32; TILE * length];
        let mut ds = vec![0.0f32; TILE * length];
        for in_group in 0..group {
            let head = kv_head * group + in_group;
            for tile in Tile::of((start, end), shape.window) {
                let (rows, keys) = (tile.rows(), tile.keys());
                let (p, ds) = (&mut p[..rows * keys], &mut ds[..rows * keys]);
                let kv_at = tile.first_key * kv_width + kv_head * dim;
                let q_at = tile.from * width + head * dim;
                let query = Strided::rows(&self.q[q_at..], width);
                let dout = Strided::rows(&self.dout[q_at..], width);
                let key = Strided::rows(&self.k[kv_at..], kv_width);
                let value = Strided::rows(&self.v[kv_at..], kv_width);
                let (replace, scale) = (Write::Replace, shape.scale);
                let inner = [rows, keys, dim];
                product_into(inner, query, key.transposed(), scale, p, keys, replace, false);
                product_into(inner, dout, value.transposed(), 1.0, ds, keys, replace, false);
                vectorized(|| self.score_gradients(tile, head, p, ds));
                let (p, ds) = (Strided::rows(p, keys), Strided::rows(ds, keys));
                let dq = &mut result.dq[((tile.from - start) * group + in_group) * dim..];
                let stride = group * dim;
                product_into([rows, dim, keys], ds, key, scale, dq, stride, replace, false);
                let at = (tile.first_key - start) * dim;
                let outer = [keys, dim, rows];
                let (dk, dv) = (&mut result.dk[at..], &mut result.dv[at..]);
                product_into(outer, ds.transposed(), query, scale, dk, dim, Write::Add, false);
                product_into(outer, p.transposed(), dout, 1.0, dv, dim, Write::Add, false);
            }
        }
        result
    }

    /// Scores become probabilities, and `dout · vᵀ` becomes the gradient of the scores.
    #[inline(always)]
    fn score_gradients(&self, tile: Tile, head: usize, p: &mut [f32], ds: &mut [f32]) {
        let (keys, dim) = (tile.keys(), self.shape.head_dim);
        let rows = p.chunks_exact_mut(keys).zip(ds.chunks_exact_mut(keys));
        for (row, (p, ds)) in rows.enumerate() {
            let token = tile.from + row;
            let at = token * self.width + head * dim;
            let delta = dot(&self.dout[at..at + dim], &self.out[at..at + dim]);
            let log_sum = self.sums[token * self.shape.heads + head];
            let seen = tile.visible(row, self.shape.window);
            for hidden in [0..seen.start, seen.end..keys] {
                p[hidden.clone()].fill(0.0);
                ds[hidden].fill(0.0);
            }
            for (p, ds) in p[seen.clone()].iter_mut().zip(&mut ds[seen]) {
                *p = exp(*p - log_sum);
                *ds = *p * (*ds - delta);
            }
        }
    }
}
