//! Causal attention inside documents: online softmax over tiles of keys (Dao 2023, algorithm 1).
//!
//! One cube computes a tile of queries of one head; scores live in shared memory a tile at a time,
//! so nothing of size tokens² exists. Arithmetic is f32 on the general units, not yet on tensor
//! cores. Read `attention_backward.rs` next; launches are in `attention.rs`.

use cubecl::prelude::*;

/// A score that no real one reaches, and whose difference to itself is finite.
const LOWEST: f32 = -1.0e30;

/// How a head is cut; part of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tiling {
    /// Units along each side of the square cube.
    pub side: usize,
    /// Queries and keys in a tile, a multiple of `side`.
    pub tile: usize,
    /// Features of a head.
    pub head_dim: usize,
}

impl Tiling {
    /// Scores of a unit along each side.
    pub fn micro(&self) -> usize {
        self.tile / self.side
    }

    /// Features of a unit, the last ones beyond `head_dim` where it is no multiple of `side`.
    pub fn depth(&self) -> usize {
        self.head_dim.div_ceil(self.side)
    }

    /// Features of a row in shared memory.
    pub fn padded(&self) -> usize {
        self.depth() * self.side
    }

    /// Elements from row to row in shared memory: odd, so that a column hits all banks.
    pub fn pitch(&self) -> usize {
        self.padded() + 1
    }

    /// Elements of a tile of features.
    pub fn features(&self) -> usize {
        self.tile * self.pitch()
    }

    /// Elements of a tile of scores.
    pub fn scores(&self) -> usize {
        self.tile * (self.tile + 1)
    }
}

/// Copies `tile` rows of one head to shared memory, zeros beyond the last row and feature.
#[cube]
pub(super) fn load_tile<F: Float>(
    source: &Array<F>,
    target: &mut SharedMemory<F>,
    first_row: usize,
    rows: usize,
    row_length: usize,
    first_column: usize,
    #[comptime] tiling: Tiling,
) {
    let count = comptime!((tiling.tile * tiling.padded()) as u32);
    let padded = comptime!(tiling.padded() as u32);
    let head_dim = comptime!(tiling.head_dim as u32);
    let pitch = comptime!(tiling.pitch());
    for at in range_stepped(UNIT_POS, count, CUBE_DIM) {
        let row = (at / padded) as usize;
        let column = at % padded;
        let mut value = F::new(0.0);
        if first_row + row < rows && column < head_dim {
            value = source[(first_row + row) * row_length + first_column + column as usize];
        }
        target[row * pitch + column as usize] = value;
    }
}

/// `out[r, c] = Σ_x left[y + r side, x] * right[x' + c side, x]` for the unit's rows and columns.
#[cube]
pub(super) fn tile_products<F: Float>(
    left: &SharedMemory<F>,
    right: &SharedMemory<F>,
    out: &mut Array<f32>,
    #[comptime] tiling: Tiling,
) {
    let micro = comptime!(tiling.micro());
    let side = comptime!(tiling.side);
    let pitch = comptime!(tiling.pitch());
    let x = UNIT_POS_X as usize;
    let y = UNIT_POS_Y as usize;
    let mut rights = Array::<f32>::new(micro);
    #[unroll]
    for i in 0..comptime!(micro * micro) {
        out[i] = f32::new(0.0);
    }
    for feature in 0..comptime!(tiling.head_dim) {
        #[unroll]
        for c in 0..micro {
            rights[c] = f32::cast_from(right[(x + c * side) * pitch + feature]);
        }
        #[unroll]
        for r in 0..micro {
            let value = f32::cast_from(left[(y + r * side) * pitch + feature]);
            #[unroll]
            for c in 0..micro {
                out[r * micro + c] += value * rights[c];
            }
        }
    }
}

/// `out[r, c] += Σ_j weights[y + r side, j] * values[j, x + c side]`.
#[cube]
pub(super) fn add_weighted<F: Float>(
    weights: &SharedMemory<f32>,
    values: &SharedMemory<F>,
    out: &mut Array<f32>,
    #[comptime] tiling: Tiling,
) {
    let micro = comptime!(tiling.micro());
    let depth = comptime!(tiling.depth());
    let side = comptime!(tiling.side);
    let pitch = comptime!(tiling.pitch());
    let score_pitch = comptime!(tiling.tile + 1);
    let x = UNIT_POS_X as usize;
    let y = UNIT_POS_Y as usize;
    let mut row = Array::<f32>::new(depth);
    for j in 0..comptime!(tiling.tile) {
        #[unroll]
        for c in 0..depth {
            row[c] = f32::cast_from(values[j * pitch + x + c * side]);
        }
        #[unroll]
        for r in 0..micro {
            let weight = weights[(y + r * side) * score_pitch + j];
            #[unroll]
            for c in 0..depth {
                out[r * depth + c] += weight * row[c];
            }
        }
    }
}

/// Whether `query`, whose document begins at `start`, sees `key`.
#[cube]
pub(super) fn sees(query: usize, key: usize, start: usize, window: usize) -> bool {
    key <= query && key >= start && key + window > query
}

/// First token of the document of `token`; beyond the batch a number that no key reaches.
#[cube]
pub(super) fn start_of(starts: &Array<i32>, token: usize) -> usize {
    let mut start = starts.len();
    if token < starts.len() {
        start = starts[token] as usize;
    }
    start
}

/// Grid: tiles of queries, heads. `window` is at most the number of tokens.
#[cube(launch)]
pub fn attention_kernel<F: Float>(
    q: &Array<F>,
    k: &Array<F>,
    v: &Array<F>,
    starts: &Array<i32>,
    out: &mut Array<F>,
    log_sum_exp: &mut Array<f32>,
    heads: u32,
    kv_heads: u32,
    window: u32,
    scale: f32,
    #[comptime] tiling: Tiling,
    #[define(F)] _dtype: StorageType,
) {
    let micro = comptime!(tiling.micro());
    let depth = comptime!(tiling.depth());
    let side = comptime!(tiling.side);
    let tile = comptime!(tiling.tile);
    let head_dim = comptime!(tiling.head_dim);
    let score_pitch = comptime!(tile + 1);
    let mut q_tile = SharedMemory::<F>::new(comptime!(tiling.features()));
    let mut kv_tile = SharedMemory::<F>::new(comptime!(tiling.features()));
    let mut weights = SharedMemory::<f32>::new(comptime!(tiling.scores()));
    let tokens = starts.len();
    let window = window as usize;
    let x = UNIT_POS_X as usize;
    let y = UNIT_POS_Y as usize;
    let first_query = CUBE_POS_X as usize * tile;
    let head = CUBE_POS_Y as usize;
    let q_length = heads as usize * head_dim;
    let kv_length = kv_heads as usize * head_dim;
    let q_column = head * head_dim;
    let kv_column = (CUBE_POS_Y / (heads / kv_heads)) as usize * head_dim;
    load_tile::<F>(q, &mut q_tile, first_query, tokens, q_length, q_column, tiling);

    let mut sums = Array::<f32>::new(comptime!(micro * depth));
    let mut scores = Array::<f32>::new(comptime!(micro * micro));
    let mut top = Array::<f32>::new(micro);
    let mut total = Array::<f32>::new(micro);
    let mut row_starts = Array::<u32>::new(micro);
    #[unroll]
    for r in 0..micro {
        top[r] = f32::new(LOWEST);
        total[r] = f32::new(0.0);
        row_starts[r] = start_of(starts, first_query + y + r * side) as u32;
        #[unroll]
        for c in 0..depth {
            sums[r * depth + c] = f32::new(0.0);
        }
    }

    // Documents begin in order, so the first query reaches back furthest and the last one forward.
    let mut first_key = starts[first_query] as usize;
    if first_key + window <= first_query {
        first_key = first_query + 1 - window;
    }
    let end_key = min(first_query + tile, tokens);
    for key_tile in first_key / tile..(end_key - 1) / tile + 1 {
        let keys = key_tile * tile;
        sync_cube();
        load_tile::<F>(k, &mut kv_tile, keys, tokens, kv_length, kv_column, tiling);
        sync_cube();
        tile_products::<F>(&q_tile, &kv_tile, &mut scores, tiling);
        #[unroll]
        for r in 0..micro {
            let query = first_query + y + r * side;
            #[unroll]
            for c in 0..micro {
                let key = keys + x + c * side;
                let seen = sees(query, key, row_starts[r] as usize, window);
                let score = select(seen, scores[r * micro + c] * scale, f32::new(LOWEST));
                scores[r * micro + c] = score;
                weights[(y + r * side) * score_pitch + x + c * side] = score;
            }
        }
        sync_cube();
        // Every unit of a row finds the same maximum, so that no exchange follows.
        #[unroll]
        for r in 0..micro {
            let mut highest = top[r];
            for j in 0..tile {
                highest = max(highest, weights[(y + r * side) * score_pitch + j]);
            }
            let shrink = (top[r] - highest).exp();
            top[r] = highest;
            total[r] *= shrink;
            #[unroll]
            for c in 0..depth {
                sums[r * depth + c] *= shrink;
            }
        }
        sync_cube();
        #[unroll]
        for r in 0..micro {
            #[unroll]
            for c in 0..micro {
                let score = scores[r * micro + c];
                let seen = score > f32::new(LOWEST);
                let weight = select(seen, (score - top[r]).exp(), f32::new(0.0));
                weights[(y + r * side) * score_pitch + x + c * side] = weight;
            }
        }
        load_tile::<F>(v, &mut kv_tile, keys, tokens, kv_length, kv_column, tiling);
        sync_cube();
        #[unroll]
        for r in 0..micro {
            for j in 0..tile {
                total[r] += weights[(y + r * side) * score_pitch + j];
            }
        }
        add_weighted::<F>(&weights, &kv_tile, &mut sums, tiling);
    }

    #[unroll]
    for r in 0..micro {
        let query = first_query + y + r * side;
        if query < tokens {
            #[unroll]
            for c in 0..depth {
                let column = x + c * side;
                if column < head_dim {
                    let at = query * q_length + q_column + column;
                    out[at] = F::cast_from(sums[r * depth + c] / total[r]);
                }
            }
            if x == 0 {
                log_sum_exp[query * heads as usize + head] = top[r] + total[r].ln();
            }
        }
    }
}
