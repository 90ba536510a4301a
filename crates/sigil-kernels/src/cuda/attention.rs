//! Attention of bf16 by `attention_*.cu`: tensor cores, weights in registers.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

use super::{
    Native,
    native::{Family, aligned, is_left_out},
    source::{ATTENTION_FORWARD, ATTENTION_KEY_GRADIENT, ATTENTION_QUERY_GRADIENT, File, Source},
};
use crate::{
    AttentionShape,
    cube::buffer::{On, dense_int, empty},
    layout::SequenceLayout,
};

/// Head sizes that the kernels are compiled for.
pub(crate) const HEAD_SIZES: [usize; 2] = [64, 128];

/// One of the three kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// Output and log-sum-exp.
    Forward,
    /// Gradient by the queries.
    Queries,
    /// Gradients by keys and values.
    Keys,
}

impl Pass {
    /// All kernels.
    pub(crate) const ALL: [Self; 3] = [Self::Forward, Self::Queries, Self::Keys];

    /// Queries and keys of a block's tile.
    pub(crate) const fn tile(self) -> [usize; 2] {
        match self {
            Self::Forward => [128, 64],
            Self::Queries => [128, 32],
            Self::Keys => [64, 64],
        }
    }

    fn file(self) -> File {
        match self {
            Self::Forward => ATTENTION_FORWARD,
            Self::Queries => ATTENTION_QUERY_GRADIENT,
            Self::Keys => ATTENTION_KEY_GRADIENT,
        }
    }

    /// The kernel for heads of `head_dim`.
    pub(crate) fn source(self, head_dim: usize) -> Source {
        let [queries, keys] = self.tile();
        // Rows of `head_dim` bf16 in shared memory, and the facts of two tiles of queries.
        let (rows, threads, facts) = match self {
            Self::Forward => (queries + 4 * keys, queries, 0),
            Self::Queries => (2 * queries + 4 * keys, queries, 0),
            Self::Keys => (2 * keys + 4 * queries, 2 * keys, 2 * queries * 12),
        };
        Source {
            file: self.file(),
            defines: vec![
                ("D", head_dim as u32),
                ("BLOCK_Q", queries as u32),
                ("BLOCK_K", keys as u32),
            ],
            threads: threads as u32,
            shared_bytes: rows * head_dim * 2 + facts,
        }
    }
}

/// Whether the kernels take these tensors on this card; the caller has checked sizes and windows.
fn covered<R: Native>(buffers: &[&CubeTensor<R>], shape: AttentionShape, passes: &[Pass]) -> bool {
    let Some(card) = R::card(&buffers[0].client) else { return false };
    HEAD_SIZES.contains(&shape.head_dim)
        && !is_left_out(Family::Attention)
        && buffers.iter().all(|x| x.dtype == DType::BF16 && aligned(x))
        && passes.iter().all(|pass| pass.source(shape.head_dim).shared_bytes <= card.shared_bytes)
}

fn scalars(shape: AttentionShape, tokens: usize) -> [u32; 5] {
    let window = shape.window.map_or(tokens, |window| window.min(tokens));
    let [tokens, heads, kv_heads, window] =
        [tokens, shape.heads, shape.kv_heads, window].map(|size| size as u32);
    [tokens, heads, kv_heads, window, shape.scale.to_bits()]
}

/// Output and log-sum-exp for dense q, k and v, or `None` where no kernel covers them.
pub(crate) fn forward<R: Native>(
    [q, k, v]: [&CubeTensor<R>; 3],
    layout: &SequenceLayout<On<R>>,
    shape: AttentionShape,
) -> Option<(CubeTensor<R>, CubeTensor<R>)> {
    if !covered(&[q, k, v], shape, &[Pass::Forward]) {
        return None;
    }
    let tokens = layout.tokens();
    let out = empty(q, [tokens, shape.heads * shape.head_dim], DType::BF16);
    let log_sum_exp = empty(q, [tokens, shape.heads], DType::F32);
    let starts = dense_int(&layout.start_tensor);
    let tiles = tokens.div_ceil(Pass::Forward.tile()[0]) as u32;
    R::launch(
        &q.client,
        Pass::Forward.source(shape.head_dim),
        [tiles, shape.heads as u32, 1],
        &[q, k, v, &starts, &out, &log_sum_exp],
        &scalars(shape, tokens),
    );
    Some((out, log_sum_exp))
}

/// Gradients by q, k and v from `delta` (the row sums of `dout * out`), or `None`.
pub(crate) fn backward<R: Native>(
    [q, k, v, dout]: [&CubeTensor<R>; 4],
    [log_sum_exp, delta]: [&CubeTensor<R>; 2],
    layout: &SequenceLayout<On<R>>,
    shape: AttentionShape,
) -> Option<[CubeTensor<R>; 3]> {
    if !covered(&[q, k, v, dout], shape, &[Pass::Queries, Pass::Keys]) {
        return None;
    }
    let tokens = layout.tokens();
    let kv_width = shape.kv_heads * shape.head_dim;
    let dq = empty(q, [tokens, shape.heads * shape.head_dim], DType::BF16);
    let (dk, dv) =
        (empty(q, [tokens, kv_width], DType::BF16), empty(q, [tokens, kv_width], DType::BF16));
    let (starts, ends) = (dense_int(&layout.start_tensor), dense_int(&layout.end_tensor));
    let scalars = scalars(shape, tokens);
    let tiles = tokens.div_ceil(Pass::Queries.tile()[0]) as u32;
    R::launch(
        &q.client,
        Pass::Queries.source(shape.head_dim),
        [tiles, shape.heads as u32, 1],
        &[q, k, v, dout, log_sum_exp, delta, &starts, &dq],
        &scalars,
    );
    let tiles = tokens.div_ceil(Pass::Keys.tile()[1]) as u32;
    R::launch(
        &q.client,
        Pass::Keys.source(shape.head_dim),
        [tiles, shape.kv_heads as u32, 1],
        &[q, k, v, dout, log_sum_exp, delta, &starts, &ends, &dk, &dv],
        &scalars,
    );
    Some([dq, dk, dv])
}
