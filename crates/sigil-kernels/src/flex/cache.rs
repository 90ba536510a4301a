//! Keys and values of earlier positions, and attention over them.
//!
//! Every slot has its own room here, in which sequences lie as pulp's vectors read them; memory is only
//! taken where something was stored. Pages bound what is in it ([`crate::pages`]), not how it lies.
//!
//! A task is one query row and one key-value head. Scores are chains over the features of a head,
//! for sixteen keys at a time; the weighted sum of values is four chains over the positions. Both
//! follow from the row's position alone, so other rows change no bit.

use std::cell::RefCell;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    lanes::{exp, max, sum},
    view::{View, matrix},
};
use crate::{
    AttentionShape, Beginning, CacheShape, CachedRows, Cpu, Matrix, SlotCopy, Span,
    decoding::check_rows,
};

/// Keys of a block.
const BLOCK: usize = 16;
/// Chains of the weighted sum.
const CHAINS: usize = 4;
/// Multiply-adds that are worth a task.
const TASK: usize = 1 << 14;

/// Keys and values of one layer on the CPU, f32.
#[derive(Debug)]
pub struct CpuCache {
    /// `[slots][kv_heads][capacity / 16][head_dim][16]`: the keys of a block lie side by side.
    keys: Vec<f32>,
    /// `[slots][kv_heads][capacity][head_dim]`.
    values: Vec<f32>,
    /// Capacity rounded up to whole blocks.
    shape: CacheShape,
}

impl CpuCache {
    pub(super) fn new(shape: CacheShape) -> Self {
        let shape = CacheShape { capacity: shape.capacity.next_multiple_of(BLOCK), ..shape };
        let count = shape.slots * shape.kv_heads * shape.capacity * shape.head_dim;
        // Zeroed memory is only taken from the system where it is touched.
        Self { keys: vec![0.0; count], values: vec![0.0; count], shape }
    }

    /// First element of a head in either vector, and its length.
    fn head(&self, slot: usize, head: usize) -> std::ops::Range<usize> {
        let size = self.shape.capacity * self.shape.head_dim;
        let at = (slot * self.shape.kv_heads + head) * size;
        at..at + size
    }

    pub(super) fn copy_slot(&mut self, SlotCopy { from, to, .. }: SlotCopy) {
        let Beginning { slot: from, positions } = from;
        let length = positions.next_multiple_of(BLOCK) * self.shape.head_dim;
        for head in 0..self.shape.kv_heads {
            let (source, target) = (self.head(from, head).start, self.head(to, head).start);
            self.keys.copy_within(source..source + length, target);
            self.values.copy_within(source..source + length, target);
        }
    }

    fn store(&mut self, k: &[f32], v: &[f32], spans: &[Span]) {
        let CacheShape { kv_heads, head_dim, .. } = self.shape;
        let places = spans.iter().flat_map(|s| (s.first..s.first + s.rows).map(|p| (s.slot, p)));
        let rows = k.chunks_exact(kv_heads * head_dim).zip(v.chunks_exact(kv_heads * head_dim));
        for ((slot, position), (k, v)) in places.zip(rows) {
            assert!(position < self.shape.capacity, "the sequence is longer than its slot");
            for head in 0..kv_heads {
                let place = self.head(slot, head);
                let feature = head * head_dim..(head + 1) * head_dim;
                let block = position / BLOCK * BLOCK * head_dim + position % BLOCK;
                let keys = &mut self.keys[place.clone()][block..];
                for (key, value) in keys.iter_mut().step_by(BLOCK).zip(&k[feature.clone()]) {
                    *key = *value;
                }
                let values = &mut self.values[place][position * head_dim..];
                values[..head_dim].copy_from_slice(&v[feature]);
            }
        }
    }
}

thread_local! {
    /// Scores of one task.
    static SCORES: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// See [`crate::Decoding::cached_attention`].
pub(super) fn attention(
    q: &Matrix<Cpu>,
    k: &Matrix<Cpu>,
    v: &Matrix<Cpu>,
    cache: &mut CpuCache,
    rows: &CachedRows<Cpu>,
    shape: AttentionShape,
) -> Matrix<Cpu> {
    check_rows(q, rows);
    let spans = rows.spans();
    let [rows, width] = q.dims();
    let (q, k, v) = (View::of(q), View::of(k), View::of(v));
    cache.store(k.slice(), v.slice(), spans);
    let q: &[f32] = q.slice();
    let mut out = vec![0.0f32; rows * width];
    let places: Vec<(usize, usize)> =
        spans.iter().flat_map(|s| (s.first..s.first + s.rows).map(|p| (s.slot, p))).collect();
    let group = width / shape.kv_heads;
    let cache = &*cache;
    let task = |(task, out): (usize, &mut [f32])| {
        let (slot, position) = places[task / shape.kv_heads];
        let head = cache.head(slot, task % shape.kv_heads);
        let (keys, values) = (&cache.keys[head.clone()], &cache.values[head]);
        let query = &q[task * group..(task + 1) * group];
        let first = shape.window.map_or(0, |window| (position + 1).saturating_sub(window));
        let mut scores = SCORES.take();
        let heads = query.chunks_exact(shape.head_dim).zip(out.chunks_exact_mut(shape.head_dim));
        for (query, out) in heads {
            let (seen, scale, scores) = (first..position + 1, shape.scale, &mut scores);
            let attend = Attend { query, keys, values, seen, scale, scores, out };
            pulp::Arch::new().dispatch(attend);
        }
        SCORES.replace(scores);
    };
    let positions: usize = places.iter().map(|(_, position)| position + 1).sum();
    let work = positions * width;
    let tasks = rows * shape.kv_heads;
    if work < 2 * TASK {
        out.chunks_exact_mut(group).enumerate().for_each(task);
    } else {
        let least = (tasks * TASK / work).max(1);
        out.par_chunks_exact_mut(group).enumerate().with_min_len(least).for_each(task);
    }
    matrix(out, [rows, width])
}

/// One query of one head over the keys `seen`.
struct Attend<'a> {
    query: &'a [f32],
    /// Of one head, from its first position.
    keys: &'a [f32],
    values: &'a [f32],
    seen: std::ops::Range<usize>,
    scale: f32,
    scores: &'a mut Vec<f32>,
    out: &'a mut [f32],
}

impl WithSimd for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { query, keys, values, seen, scale, scores, out } = self;
        let dim = query.len();
        let (from, to) = (seen.start / BLOCK, seen.end.div_ceil(BLOCK));
        let vectors = BLOCK / S::F32_LANES;
        scores.clear();
        scores.resize((to - from) * BLOCK, 0.0);
        let blocks = keys[from * BLOCK * dim..to * BLOCK * dim].chunks_exact(BLOCK * dim);
        for (keys, scores) in blocks.zip(scores.chunks_exact_mut(BLOCK)) {
            let keys = S::as_simd_f32s(keys).0;
            let scores = S::as_mut_simd_f32s(scores).0;
            for part in 0..vectors {
                let mut sum = simd.splat_f32s(0.0);
                for (q, keys) in query.iter().zip(keys.chunks_exact(vectors)) {
                    sum = simd.mul_add_f32s(simd.splat_f32s(*q), keys[part], sum);
                }
                scores[part] = simd.mul_f32s(sum, simd.splat_f32s(scale));
            }
        }
        let scores = &mut scores[seen.start - from * BLOCK..seen.end - from * BLOCK];
        let top = max(scores);
        scores.iter_mut().for_each(|score| *score = exp(*score - top));
        let factor = 1.0 / sum(scores);
        let values = &values[seen.start * dim..seen.end * dim];
        if dim.is_multiple_of(S::F32_LANES) {
            weighted_sum(simd, scores, values, factor, out);
        } else {
            for (j, out) in out.iter_mut().enumerate() {
                let terms = scores.iter().zip(values.chunks_exact(dim));
                *out = terms.map(|(weight, row)| weight * row[j]).sum::<f32>() * factor;
            }
        }
    }
}

/// `factor * Σ weights[i] · values[i]`, four chains for every vector of features.
#[inline(always)]
fn weighted_sum<S: Simd>(simd: S, weights: &[f32], values: &[f32], factor: f32, out: &mut [f32]) {
    let out = S::as_mut_simd_f32s(out).0;
    let width = out.len();
    let values = S::as_simd_f32s(values).0;
    for (at, out) in out.iter_mut().enumerate() {
        let mut sums = [simd.splat_f32s(0.0); CHAINS];
        let mut weights = weights.chunks_exact(CHAINS);
        let mut rows = values.chunks_exact(CHAINS * width);
        for (weights, rows) in weights.by_ref().zip(rows.by_ref()) {
            for chain in 0..CHAINS {
                let weight = simd.splat_f32s(weights[chain]);
                sums[chain] = simd.mul_add_f32s(weight, rows[chain * width + at], sums[chain]);
            }
        }
        let rest = weights.remainder().iter().zip(rows.remainder().chunks_exact(width));
        for (weight, row) in rest {
            sums[0] = simd.mul_add_f32s(simd.splat_f32s(*weight), row[at], sums[0]);
        }
        let pairs = [simd.add_f32s(sums[0], sums[1]), simd.add_f32s(sums[2], sums[3])];
        *out = simd.mul_f32s(simd.add_f32s(pairs[0], pairs[1]), simd.splat_f32s(factor));
    }
}
