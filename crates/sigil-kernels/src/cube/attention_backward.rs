//! Gradients of attention from the saved log-sum-exp (Dao 2023, algorithm 2), without atomics.
//!
//! Two passes recompute the weights: one over tiles of queries for `dq`, one over tiles of keys for
//! `dk` and `dv`, in which a cube adds all query heads of its key head. The order of the additions
//! is fixed, so a step repeats bit for bit. Launches are in `attention.rs`.

use cubecl::prelude::*;

use super::{
    attention_forward::{Tiling, add_weighted, load_tile, sees, start_of, tile_products},
    reduce::lane_sum,
};

/// `delta[token, head] = Σ dout * out`: one unit a head of a token, `head_dim` counted in vectors.
#[cube(launch)]
pub fn delta_kernel<F: Float, N: Size>(
    dout: &Array<Vector<F, N>>,
    out: &Array<Vector<F, N>>,
    delta: &mut Array<f32>,
    head_dim: u32,
    #[define(F)] _dtype: StorageType,
) {
    if ABSOLUTE_POS < delta.len() {
        let first = ABSOLUTE_POS * head_dim as usize;
        let mut sum = f32::new(0.0);
        for i in 0..head_dim {
            let at = first + i as usize;
            let product =
                Vector::<f32, N>::cast_from(dout[at]) * Vector::<f32, N>::cast_from(out[at]);
            sum += lane_sum::<N>(product);
        }
        delta[ABSOLUTE_POS] = sum;
    }
}

/// Writes the unit's rows of one head.
#[cube]
fn store_tile<F: Float>(
    values: &Array<f32>,
    target: &mut Array<F>,
    first_row: usize,
    rows: usize,
    row_length: usize,
    first_column: usize,
    #[comptime] tiling: Tiling,
) {
    let depth = comptime!(tiling.depth());
    let side = comptime!(tiling.side);
    #[unroll]
    for r in 0..comptime!(tiling.micro()) {
        let row = first_row + UNIT_POS_Y as usize + r * side;
        if row < rows {
            #[unroll]
            for c in 0..depth {
                let column = UNIT_POS_X as usize + c * side;
                if column < comptime!(tiling.head_dim) {
                    let at = row * row_length + first_column + column;
                    target[at] = F::cast_from(values[r * depth + c]);
                }
            }
        }
    }
}

/// Grid: tiles of queries, heads. `window` is at most the number of tokens.
#[cube(launch)]
pub fn attention_query_gradient_kernel<F: Float>(
    q: &Array<F>,
    k: &Array<F>,
    v: &Array<F>,
    dout: &Array<F>,
    log_sum_exp: &Array<f32>,
    delta: &Array<f32>,
    starts: &Array<i32>,
    dq: &mut Array<F>,
    heads: u32,
    kv_heads: u32,
    window: u32,
    scale: f32,
    #[comptime] tiling: Tiling,
    #[define(F)] _dtype: StorageType,
) {
    let micro = comptime!(tiling.micro());
    let side = comptime!(tiling.side);
    let tile = comptime!(tiling.tile);
    let head_dim = comptime!(tiling.head_dim);
    let score_pitch = comptime!(tile + 1);
    let mut q_tile = SharedMemory::<F>::new(comptime!(tiling.features()));
    let mut dout_tile = SharedMemory::<F>::new(comptime!(tiling.features()));
    let mut k_tile = SharedMemory::<F>::new(comptime!(tiling.features()));
    let mut v_tile = SharedMemory::<F>::new(comptime!(tiling.features()));
    let mut slopes = SharedMemory::<f32>::new(comptime!(tiling.scores()));
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
    load_tile::<F>(dout, &mut dout_tile, first_query, tokens, q_length, q_column, tiling);

    let mut sums = Array::<f32>::new(comptime!(micro * tiling.depth()));
    #[unroll]
    for i in 0..comptime!(micro * tiling.depth()) {
        sums[i] = f32::new(0.0);
    }
    let mut scores = Array::<f32>::new(comptime!(micro * micro));
    let mut products = Array::<f32>::new(comptime!(micro * micro));
    let mut first_key = starts[first_query] as usize;
    if first_key + window <= first_query {
        first_key = first_query + 1 - window;
    }
    let end_key = min(first_query + tile, tokens);
    for key_tile in first_key / tile..(end_key - 1) / tile + 1 {
        let keys = key_tile * tile;
        sync_cube();
        load_tile::<F>(k, &mut k_tile, keys, tokens, kv_length, kv_column, tiling);
        load_tile::<F>(v, &mut v_tile, keys, tokens, kv_length, kv_column, tiling);
        sync_cube();
        tile_products::<F>(&q_tile, &k_tile, &mut scores, tiling);
        tile_products::<F>(&dout_tile, &v_tile, &mut products, tiling);
        #[unroll]
        for r in 0..micro {
            let query = first_query + y + r * side;
            let start = start_of(starts, query);
            let saved = min(query, tokens - 1) * heads as usize + head;
            #[unroll]
            for c in 0..micro {
                let key = keys + x + c * side;
                let mut slope = f32::new(0.0);
                if sees(query, key, start, window) {
                    let weight = (scores[r * micro + c] * scale - log_sum_exp[saved]).exp();
                    slope = weight * (products[r * micro + c] - delta[saved]) * scale;
                }
                slopes[(y + r * side) * score_pitch + x + c * side] = slope;
            }
        }
        sync_cube();
        add_weighted::<F>(&slopes, &k_tile, &mut sums, tiling);
    }
    store_tile::<F>(&sums, dq, first_query, tokens, q_length, q_column, tiling);
}

/// Grid: tiles of keys, key heads. `window` is at most the number of tokens.
#[cube(launch)]
pub fn attention_key_gradient_kernel<F: Float>(
    q: &Array<F>,
    k: &Array<F>,
    v: &Array<F>,
    dout: &Array<F>,
    log_sum_exp: &Array<f32>,
    delta: &Array<f32>,
    starts: &Array<i32>,
    ends: &Array<i32>,
    dk: &mut Array<F>,
    dv: &mut Array<F>,
    heads: u32,
    kv_heads: u32,
    window: u32,
    scale: f32,
    #[comptime] tiling: Tiling,
    #[define(F)] _dtype: StorageType,
) {
    let micro = comptime!(tiling.micro());
    let side = comptime!(tiling.side);
    let tile = comptime!(tiling.tile);
    let head_dim = comptime!(tiling.head_dim);
    let score_pitch = comptime!(tile + 1);
    let mut q_tile = SharedMemory::<F>::new(comptime!(tiling.features()));
    let mut dout_tile = SharedMemory::<F>::new(comptime!(tiling.features()));
    let mut k_tile = SharedMemory::<F>::new(comptime!(tiling.features()));
    let mut v_tile = SharedMemory::<F>::new(comptime!(tiling.features()));
    // Both [key, query].
    let mut weights = SharedMemory::<f32>::new(comptime!(tiling.scores()));
    let mut slopes = SharedMemory::<f32>::new(comptime!(tiling.scores()));
    let tokens = starts.len();
    let window = window as usize;
    let x = UNIT_POS_X as usize;
    let y = UNIT_POS_Y as usize;
    let first_key = CUBE_POS_X as usize * tile;
    let q_length = heads as usize * head_dim;
    let kv_length = kv_heads as usize * head_dim;
    let kv_column = CUBE_POS_Y as usize * head_dim;
    load_tile::<F>(k, &mut k_tile, first_key, tokens, kv_length, kv_column, tiling);
    load_tile::<F>(v, &mut v_tile, first_key, tokens, kv_length, kv_column, tiling);

    let mut k_sums = Array::<f32>::new(comptime!(micro * tiling.depth()));
    let mut v_sums = Array::<f32>::new(comptime!(micro * tiling.depth()));
    #[unroll]
    for i in 0..comptime!(micro * tiling.depth()) {
        k_sums[i] = f32::new(0.0);
        v_sums[i] = f32::new(0.0);
    }
    let mut scores = Array::<f32>::new(comptime!(micro * micro));
    let mut products = Array::<f32>::new(comptime!(micro * micro));
    let last_key = min(first_key + tile, tokens) - 1;
    let end_query = min(ends[last_key] as usize, last_key + window);
    let group = heads / kv_heads;
    for member in 0..group {
        let head = (CUBE_POS_Y * group + member) as usize;
        let q_column = head * head_dim;
        for query_tile in first_key / tile..(end_query - 1) / tile + 1 {
            let queries = query_tile * tile;
            sync_cube();
            load_tile::<F>(q, &mut q_tile, queries, tokens, q_length, q_column, tiling);
            load_tile::<F>(dout, &mut dout_tile, queries, tokens, q_length, q_column, tiling);
            sync_cube();
            tile_products::<F>(&k_tile, &q_tile, &mut scores, tiling);
            tile_products::<F>(&v_tile, &dout_tile, &mut products, tiling);
            #[unroll]
            for c in 0..micro {
                let query = queries + x + c * side;
                let start = start_of(starts, query);
                let saved = min(query, tokens - 1) * heads as usize + head;
                #[unroll]
                for r in 0..micro {
                    let key = first_key + y + r * side;
                    let mut weight = f32::new(0.0);
                    let mut slope = f32::new(0.0);
                    if sees(query, key, start, window) {
                        weight = (scores[r * micro + c] * scale - log_sum_exp[saved]).exp();
                        slope = weight * (products[r * micro + c] - delta[saved]) * scale;
                    }
                    let at = (y + r * side) * score_pitch + x + c * side;
                    weights[at] = weight;
                    slopes[at] = slope;
                }
            }
            sync_cube();
            add_weighted::<F>(&weights, &dout_tile, &mut v_sums, tiling);
            add_weighted::<F>(&slopes, &q_tile, &mut k_sums, tiling);
        }
    }
    store_tile::<F>(&k_sums, dk, first_key, tokens, kv_length, kv_column, tiling);
    store_tile::<F>(&v_sums, dv, first_key, tokens, kv_length, kv_column, tiling);
}
