//! Launches of the kernels of generation: products of few tokens with 4-bit weights, and attention
//! over a cache. Which shapes they take is decided here; the rest stays with `cube/decoding.rs`.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

use super::{
    Card, Native, attention,
    native::{Family, aligned, is_left_out},
    source::{ATTENTION_COMBINE, ATTENTION_DECODE, CACHE_STORE, NF4_ROWS, Source},
};
use crate::{
    AttentionShape, CacheShape, CachedRows, FrozenMatrix, Matrix, QuantizedTensor, ScaleTensors,
    SequenceLayout,
    cube::buffer::{On, dense, dense_int, empty, owned, tensor},
    decoding::check_rows,
    pages::PAGE,
    plain::PlainCache,
};

/// Tokens that [`NF4_ROWS`] takes at most.
pub(crate) const MOST_TOKENS: usize = 32;
/// Weights of one input that [`NF4_ROWS`] takes at most.
pub(crate) const MOST_MATRICES: usize = 3;
/// Query heads of a key head that [`ATTENTION_DECODE`] takes at most.
pub(crate) const MOST_GROUP: usize = 8;

/// How a product of few tokens is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowTiles {
    /// Groups of eight tokens.
    pub tokens: usize,
    /// Groups of sixteen rows of the weight in a block.
    pub rows: usize,
}

impl RowTiles {
    /// Every tiling that [`row_tiles`] chooses.
    pub(crate) const ALL: [Self; 6] = [
        Self { tokens: 1, rows: 1 },
        Self { tokens: 1, rows: 2 },
        Self { tokens: 2, rows: 1 },
        Self { tokens: 2, rows: 2 },
        Self { tokens: 4, rows: 1 },
        Self { tokens: 4, rows: 2 },
    ];

    /// The kernel.
    pub(crate) fn source(self, matrices: usize, nested: bool, f32: bool, adds: bool) -> Source {
        let sums = 8 * (8 * self.tokens) * (16 * self.rows);
        Source {
            file: NF4_ROWS,
            defines: vec![
                ("MATRICES", matrices as u32),
                ("TOKEN_TILES", self.tokens as u32),
                ("ROW_TILES", self.rows as u32),
                ("NESTED", u32::from(nested)),
                ("OUT_F32", u32::from(f32)),
                ("ADDS", u32::from(adds)),
            ],
            threads: 256,
            shared_bytes: 4 * (sums + 16 + 256),
        }
    }
}

/// The tiles for `tokens` rows and a weight `[n, k]` in blocks of `block_size`, or `None` where the
/// kernel does not take them.
pub(crate) fn row_tiles(
    tokens: usize,
    [n, k]: [usize; 2],
    block_size: usize,
    card: Card,
) -> Option<RowTiles> {
    let fits = [n, k].iter().all(|&size| i32::try_from(size).is_ok());
    let whole_blocks = block_size == 64 && k.is_multiple_of(64);
    if !fits || !whole_blocks || n * k == 0 || !(1..=MOST_TOKENS).contains(&tokens) {
        return None;
    }
    // Two groups of rows read each token half as often, but only where every multiprocessor still has
    // blocks to overlap.
    let rows = if n >= 32 * 2 * card.multiprocessors as usize { 2 } else { 1 };
    Some(RowTiles { tokens: tokens.div_ceil(8).next_power_of_two(), rows })
}

/// `x · Wᵀ (+ accumulator)`; gives the accumulator back where no kernel covers it.
pub(crate) fn row_product<R: Native>(
    x: &Matrix<On<R>>,
    weight: &QuantizedTensor<On<R>>,
    accumulator: Option<Matrix<On<R>>>,
) -> Result<Matrix<On<R>>, Option<Matrix<On<R>>>> {
    let dtype = accumulator.as_ref().map_or(x.dtype(), Matrix::dtype);
    match launch_rows(x, &[weight], accumulator.as_ref(), dtype) {
        Some(mut outputs) => Ok(outputs.remove(0)),
        None => Err(accumulator),
    }
}

/// `x · Wᵀ` of two or three weights in one launch, or `None` where no kernel covers them.
pub(crate) fn row_products<R: Native>(
    x: &Matrix<On<R>>,
    weights: &[&FrozenMatrix<On<R>>],
) -> Option<Vec<Matrix<On<R>>>> {
    if !(2..=MOST_MATRICES).contains(&weights.len()) {
        return None;
    }
    let quantized: Vec<&QuantizedTensor<On<R>>> = weights
        .iter()
        .map(|weight| match weight {
            FrozenMatrix::Quantized(weight) => Some(weight),
            FrozenMatrix::Dense(_) => None,
        })
        .collect::<Option<_>>()?;
    launch_rows(x, &quantized, None, x.dtype())
}

/// A weight's buffers.
struct Rows<R: Native> {
    packed: CubeTensor<R>,
    codes: CubeTensor<R>,
    absmax: CubeTensor<R>,
    levels: CubeTensor<R>,
    offset: f32,
    /// Codes that share a scale of the second level; none without one.
    group: Option<usize>,
}

impl<R: Native> Rows<R> {
    fn of(weight: &QuantizedTensor<On<R>>) -> Option<Self> {
        let packed = dense_int(&weight.packed);
        match &weight.scales {
            _ if !aligned(&packed) => None,
            ScaleTensors::Plain(absmax) => {
                let absmax = dense(absmax);
                let (codes, levels) = (packed.clone(), absmax.clone());
                Some(Self { packed, codes, absmax, levels, offset: 0.0, group: None })
            }
            ScaleTensors::Nested { codes, absmax, levels, offset, group_size } => {
                let (codes, absmax, offset) = (dense_int(codes), dense(absmax), *offset);
                let group = Some(*group_size);
                (levels.dims()[0] == 256).then(|| Self {
                    packed,
                    codes,
                    absmax,
                    levels: dense(levels),
                    offset,
                    group,
                })
            }
        }
    }
}

/// Weights of one input in one launch, all of one kind; what is added is for a single one.
fn launch_rows<R: Native>(
    x: &Matrix<On<R>>,
    weights: &[&QuantizedTensor<On<R>>],
    addend: Option<&Matrix<On<R>>>,
    dtype: DType,
) -> Option<Vec<Matrix<On<R>>>> {
    let [tokens, k] = x.dims();
    let left_out = is_left_out(Family::Decoding);
    if left_out || x.dtype() != DType::BF16 || !matches!(dtype, DType::BF16 | DType::F32) {
        return None;
    }
    let x = dense(x);
    let card = R::card(&x.client).filter(|_| aligned(&x))?;
    let first = weights.first()?;
    let alike = |weight: &&QuantizedTensor<On<R>>| {
        let same = weight.levels == first.levels && weight.block_size == first.block_size;
        same && weight.shape[0] > 0 && weight.shape[1] == k
    };
    let n: usize = weights.iter().map(|weight| weight.shape[0]).sum();
    let tiles = row_tiles(tokens, [n, k], first.block_size, card)?;
    let rows: Vec<Rows<R>> =
        weights.iter().map(|weight| Rows::of(weight)).collect::<Option<_>>()?;
    let group = rows[0].group;
    if !weights.iter().all(alike) || rows.iter().any(|rows| rows.group != group) {
        return None;
    }
    let addend = addend.map(dense);
    let outputs: Vec<CubeTensor<R>> =
        weights.iter().map(|weight| empty(&x, [tokens, weight.shape[0]], dtype)).collect();
    let mut buffers = vec![&x];
    for (rows, out) in rows.iter().zip(&outputs) {
        let Rows { packed, codes, absmax, levels, .. } = rows;
        buffers.extend([packed, codes, absmax, levels, addend.as_ref().unwrap_or(out), out]);
    }
    let mut scalars: Vec<u32> = [tokens, k, group.unwrap_or(1)].map(|size| size as u32).to_vec();
    scalars.extend(weights.iter().map(|weight| weight.shape[0] as u32));
    scalars.extend(rows.iter().map(|rows| rows.offset.to_bits()));
    scalars.extend(first.levels.map(f32::to_bits));
    let blocks = weights.iter().map(|weight| weight.shape[0].div_ceil(16 * tiles.rows) as u32);
    R::launch(
        &x.client,
        tiles.source(weights.len(), group.is_some(), dtype == DType::F32, addend.is_some()),
        [blocks.sum(), 1, 1],
        &buffers,
        &scalars,
    );
    Some(outputs.into_iter().map(tensor).collect())
}

/// The kernel that reads the cache, for heads of `head_dim` in groups of `group`.
pub(crate) fn decode_source(head_dim: usize, group: usize) -> Source {
    let streams = 128 / (head_dim / 8);
    Source {
        file: ATTENTION_DECODE,
        defines: vec![("D", head_dim as u32), ("GROUP", group as u32)],
        threads: 128,
        shared_bytes: 4 * streams * group * (head_dim + 2),
    }
}

/// The kernel that joins the parts.
pub(crate) fn combine_source(head_dim: usize) -> Source {
    Source {
        file: ATTENTION_COMBINE,
        defines: vec![("D", head_dim as u32)],
        threads: head_dim as u32,
        shared_bytes: 0,
    }
}

/// The kernel that stores new rows.
pub(crate) fn store_source() -> Source {
    Source { file: CACHE_STORE, defines: vec![], threads: 256, shared_bytes: 0 }
}

/// Whether the kernels take these heads and this cache.
pub(crate) fn heads_are_covered(shape: AttentionShape, cache: CacheShape) -> bool {
    attention::HEAD_SIZES.contains(&shape.head_dim)
        && shape.kv_heads > 0
        && shape.heads.is_multiple_of(shape.kv_heads)
        && (1..=MOST_GROUP).contains(&(shape.heads / shape.kv_heads))
        && shape.window != Some(0)
        && (cache.kv_heads, cache.head_dim) == (shape.kv_heads, shape.head_dim)
        && i32::try_from(cache.pages.saturating_mul(PAGE)).is_ok()
}

/// Stores `k` and `v` and attends, or `None` where no kernel covers it; nothing is stored then.
pub(crate) fn cached_attention<R: Native>(
    q: &Matrix<On<R>>,
    k: &Matrix<On<R>>,
    v: &Matrix<On<R>>,
    cache: &mut PlainCache<On<R>>,
    rows: &CachedRows<On<R>>,
    shape: AttentionShape,
) -> Option<Matrix<On<R>>> {
    let spans = rows.spans();
    let all_bf16 = [q, k, v].iter().all(|x| x.dtype() == DType::BF16);
    if is_left_out(Family::Decoding)
        || !all_bf16
        || !heads_are_covered(shape, cache.shape())
        || spans.is_empty()
    {
        return None;
    }
    let device = q.device();
    let [qb, kb, vb] = [q, k, v].map(dense);
    let client = qb.client.clone();
    R::card(&client)?;
    if ![&qb, &kb, &vb].into_iter().all(aligned) {
        return None;
    }
    check_rows(q, rows);
    let count = rows.count();
    let (places, _, _) = rows.on_device();
    let [keys, values] = cache.take(DType::BF16).map(owned);
    let chunks = shape.kv_heads * shape.head_dim / 8;
    R::launch(
        &client,
        store_source(),
        [(count * chunks).div_ceil(256) as u32, 1, 1],
        &[&kb, &vb, &dense_int(places), &keys, &values],
        &[count as u32, chunks as u32],
    );
    cache.put([tensor(keys.clone()), tensor(values.clone())]);
    // Whole prompts see themselves only.
    if spans.iter().any(|span| span.rows > 1) && spans.iter().all(|span| span.first == 0) {
        let mut starts = vec![0u32];
        for span in spans {
            starts.push(starts[starts.len() - 1] + span.rows as u32);
        }
        let layout = SequenceLayout::new(starts, &device);
        if let Some((out, _)) = attention::forward([&qb, &kb, &vb], &layout, shape) {
            return Some(tensor(out));
        }
    }
    Some(tensor(attend(&qb, [&keys, &values], rows, shape)))
}

fn attend<R: Native>(
    q: &CubeTensor<R>,
    [keys, values]: [&CubeTensor<R>; 2],
    rows: &CachedRows<On<R>>,
    shape: AttentionShape,
) -> CubeTensor<R> {
    let AttentionShape { heads, kv_heads, head_dim, window, scale } = shape;
    let (_, sights, parts) = rows.on_device();
    let rows = rows.count();
    let partial = empty(q, [rows * heads * parts, head_dim], DType::F32);
    let facts = empty(q, [rows * heads * parts, 2], DType::F32);
    let most = parts * PAGE;
    let window = window.map_or(most, |window| window.min(most));
    R::launch(
        &q.client,
        decode_source(head_dim, heads / kv_heads),
        [parts as u32, kv_heads as u32, rows as u32],
        &[q, keys, values, &dense_int(sights), &partial, &facts],
        &[kv_heads as u32, window as u32, scale.to_bits()],
    );
    let out = empty(q, [rows, heads * head_dim], DType::BF16);
    R::launch(
        &q.client,
        combine_source(head_dim),
        [heads as u32, rows as u32, 1],
        &[&partial, &facts, &out],
        &[heads as u32, parts as u32],
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const H200: Card = Card { shared_bytes: 232_448, multiprocessors: 132, hopper: true };

    #[test]
    fn few_tokens_with_whole_blocks_are_taken() {
        let tiles = |tokens, shape, block| row_tiles(tokens, shape, block, H200);
        assert_eq!(tiles(1, [4096, 4096], 64), Some(RowTiles { tokens: 1, rows: 1 }));
        assert_eq!(tiles(9, [14_336, 4096], 64), Some(RowTiles { tokens: 2, rows: 2 }));
        assert_eq!(tiles(17, [4096, 4096], 64), Some(RowTiles { tokens: 4, rows: 1 }));
        assert_eq!(tiles(33, [4096, 4096], 64), None);
        assert_eq!(tiles(0, [4096, 4096], 64), None);
        assert_eq!(tiles(1, [4096, 4096], 128), None);
        assert_eq!(tiles(1, [4096, 96], 64), None);
        for tokens in 1..=MOST_TOKENS {
            let tiles = tiles(tokens, [152_064, 3584], 64).expect("covered");
            assert!(RowTiles::ALL.contains(&tiles) && 8 * tiles.tokens >= tokens);
            assert!(tiles.source(3, true, true, true).shared_bytes <= 48 << 10);
        }
    }

    #[test]
    fn the_heads_of_the_families_are_taken() {
        let shape = |heads, kv_heads, head_dim| AttentionShape {
            heads,
            kv_heads,
            head_dim,
            window: None,
            scale: 1.0,
        };
        let cache = |kv_heads, head_dim| CacheShape {
            slots: 256,
            capacity: 4096,
            pages: 256 * 32,
            kv_heads,
            head_dim,
        };
        for (heads, kv_heads, head_dim) in [(32, 8, 128), (28, 4, 128), (12, 2, 128), (12, 4, 64)] {
            let covered =
                heads_are_covered(shape(heads, kv_heads, head_dim), cache(kv_heads, head_dim));
            assert!(covered, "{heads} {kv_heads} {head_dim}");
        }
        assert!(!heads_are_covered(shape(6, 3, 32), cache(3, 32)));
        assert!(!heads_are_covered(shape(64, 4, 128), cache(4, 128)));
        let huge = CacheShape { pages: 1 << 25, ..cache(8, 128) };
        assert!(!heads_are_covered(shape(32, 8, 128), huge));
    }
}
