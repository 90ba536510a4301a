// Gradients of attention by keys and values, from the saved log-sum-exp (Dao 2023, algorithm 2).
//
// A block takes BLOCK_K keys of one key head, a warp 16 of them, and adds over all query heads of the
// group and all tiles of queries that see them: dv = p^T dout, dk = scale * (p * (dout v^T - delta))^T q.
// Products are taken transposed, [keys, queries], so that weights are operands without an exchange.
//
// Defined before this text: D (features of a head, a multiple of 16), BLOCK_Q, BLOCK_K.

constexpr int WARPS = BLOCK_K / 16;
constexpr int THREADS = 32 * WARPS;
constexpr int Q_TILE = BLOCK_Q * D, KV_TILE = BLOCK_K * D;
constexpr float LOG2_E = 1.4426950408889634f;

struct AttentionShape {
    u32 tokens, heads, kv_heads, window;
    float scale;
};

// What a tile of queries brings besides its rows.
struct QueryFacts {
    float log_sum[BLOCK_Q], shift[BLOCK_Q];
    u32 start[BLOCK_Q];
};

// Grid: tiles of keys, key heads.
KERNEL(THREADS, 2)
SIGIL_ENTRY(const bf16* q, const bf16* k, const bf16* v, const bf16* dout, const float* log_sum_exp,
            const float* delta, const int* starts, const int* ends, bf16* dk, bf16* dv,
            BY_VALUE AttentionShape shape) {
    SHARED(memory);
    bf16* k_tile = reinterpret_cast<bf16*>(memory);
    bf16* v_tile = k_tile + KV_TILE;
    bf16* q_tiles = v_tile + KV_TILE;
    bf16* dout_tiles = q_tiles + 2 * Q_TILE;
    QueryFacts* facts = reinterpret_cast<QueryFacts*>(dout_tiles + 2 * Q_TILE);
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int warp_row = 16 * warp;
    const u32 kv_head = blockIdx.y, tokens = shape.tokens;
    const u32 first_key = blockIdx.x * BLOCK_K;
    const u32 group = shape.heads / shape.kv_heads;
    const u64 q_width = static_cast<u64>(shape.heads) * D;
    const u64 kv_width = static_cast<u64>(shape.kv_heads) * D;
    const u64 kv_column = static_cast<u64>(kv_head) * D;

    const u32 last_key = (first_key + BLOCK_K < tokens ? first_key + BLOCK_K : tokens) - 1;
    u32 end_query = ends[last_key];
    if (end_query > last_key + shape.window) end_query = last_key + shape.window;
    const u32 first_tile = first_key / BLOCK_Q;
    const u32 tiles = (end_query - 1) / BLOCK_Q + 1 - first_tile;
    const u32 steps = tiles * group;

    // Starts the copies of one tile of queries of one head; its facts are written at once.
    auto load_queries = [&](u32 step) {
        const u32 head = kv_head * group + step / tiles;
        const u32 queries = (first_tile + step % tiles) * BLOCK_Q;
        const u64 column = static_cast<u64>(head) * D;
        const u32 parity = step % 2;
        load_tile<BLOCK_Q, D, THREADS>(q_tiles + parity * Q_TILE, q, queries, column, tokens, q_width);
        load_tile<BLOCK_Q, D, THREADS>(dout_tiles + parity * Q_TILE, dout, queries, column, tokens,
                                       q_width);
        for (int i = threadIdx.x; i < BLOCK_Q; i += THREADS) {
            const u32 query = queries + i;
            const bool inside = query < tokens;
            const u64 at = element(query, head, shape.heads);
            facts[parity].log_sum[i] = inside ? log_sum_exp[at] * LOG2_E : 0.0f;
            facts[parity].shift[i] = inside ? delta[at] : 0.0f;
            facts[parity].start[i] = inside ? starts[query] : tokens;
        }
    };

    load_tile<BLOCK_K, D, THREADS>(k_tile, k, first_key, kv_column, tokens, kv_width);
    load_tile<BLOCK_K, D, THREADS>(v_tile, v, first_key, kv_column, tokens, kv_width);
    load_queries(0);
    commit_copies();

    float k_sums[D / 8][4], v_sums[D / 8][4];
#pragma unroll
    for (int j = 0; j < D / 8; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e) k_sums[j][e] = v_sums[j][e] = 0.0f;
    const float scale = shape.scale * LOG2_E;

    for (u32 step = 0; step < steps; ++step) {
        const u32 parity = step % 2;
        const u32 queries = (first_tile + step % tiles) * BLOCK_Q;
        const bf16* q_tile = q_tiles + parity * Q_TILE;
        const bf16* dout_tile = dout_tiles + parity * Q_TILE;
        const QueryFacts& fact = facts[parity];
        wait_copies<0>();
        // This tile has landed; nobody reads the other buffers any more.
        __syncthreads();
        if (step + 1 < steps) load_queries(step + 1);
        commit_copies();

        float scores[BLOCK_Q / 8][4], slopes[BLOCK_Q / 8][4];
#pragma unroll
        for (int j = 0; j < BLOCK_Q / 8; ++j)
#pragma unroll
            for (int e = 0; e < 4; ++e) scores[j][e] = slopes[j][e] = 0.0f;
#pragma unroll
        for (int d = 0; d < D; d += 16) {
            u32 left[4], right[4];
            load_a<D>(left, k_tile, warp_row, d);
#pragma unroll
            for (int j = 0; j < BLOCK_Q / 16; ++j) {
                load_b_transposed<D>(right, q_tile, d, 16 * j);
                multiply(scores[2 * j], left, right[0], right[1]);
                multiply(scores[2 * j + 1], left, right[2], right[3]);
            }
            load_a<D>(left, v_tile, warp_row, d);
#pragma unroll
            for (int j = 0; j < BLOCK_Q / 16; ++j) {
                load_b_transposed<D>(right, dout_tile, d, 16 * j);
                multiply(slopes[2 * j], left, right[0], right[1]);
                multiply(slopes[2 * j + 1], left, right[2], right[3]);
            }
        }

        const u32 last_query = queries + BLOCK_Q - 1;
        const bool all_seen = first_key + BLOCK_K - 1 <= queries && last_query < tokens &&
                              fact.start[BLOCK_Q - 1] <= first_key &&
                              first_key + shape.window > last_query;
#pragma unroll
        for (int j = 0; j < BLOCK_Q / 8; ++j)
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const int column = 8 * j + lane % 4 * 2 + e % 2;
                const u32 query = queries + column;
                const u32 key = first_key + warp_row + lane / 4 + e / 2 * 8;
                const bool seen = all_seen || (key <= query && key >= fact.start[column] &&
                                               key + shape.window > query);
                const float weight = exp2_fast(scores[j][e] * scale - fact.log_sum[column]);
                scores[j][e] = seen ? weight : 0.0f;
                slopes[j][e] = seen ? weight * (slopes[j][e] - fact.shift[column]) : 0.0f;
            }
#pragma unroll
        for (int t = 0; t < BLOCK_Q / 16; ++t) {
            u32 weights[4], gradients[4], right[4];
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const float* weight = &scores[2 * t + e / 2][e % 2 * 2];
                const float* slope = &slopes[2 * t + e / 2][e % 2 * 2];
                weights[e] = pack(weight[0], weight[1]);
                gradients[e] = pack(slope[0], slope[1]);
            }
#pragma unroll
            for (int j = 0; j < D / 16; ++j) {
                load_b<D>(right, dout_tile, 16 * t, 16 * j);
                multiply(v_sums[2 * j], weights, right[0], right[1]);
                multiply(v_sums[2 * j + 1], weights, right[2], right[3]);
                load_b<D>(right, q_tile, 16 * t, 16 * j);
                multiply(k_sums[2 * j], gradients, right[0], right[1]);
                multiply(k_sums[2 * j + 1], gradients, right[2], right[3]);
            }
        }
    }

    __syncthreads();
#pragma unroll
    for (int h = 0; h < 2; ++h) {
        const int row = warp_row + 8 * h + lane / 4;
#pragma unroll
        for (int j = 0; j < D / 8; ++j) {
            const int at = tile_chunk<D>(row, j) + lane % 4 * 2;
            *reinterpret_cast<u32*>(k_tile + at) =
                pack(k_sums[j][2 * h] * shape.scale, k_sums[j][2 * h + 1] * shape.scale);
            *reinterpret_cast<u32*>(v_tile + at) = pack(v_sums[j][2 * h], v_sums[j][2 * h + 1]);
        }
    }
    __syncthreads();
    for (int i = threadIdx.x; i < BLOCK_K * D / 8; i += THREADS) {
        const int row = i / (D / 8), chunk = i % (D / 8);
        if (first_key + row >= tokens) continue;
        const u64 at = element(first_key + row, kv_column + 8 * chunk, kv_width);
        *reinterpret_cast<Chunk*>(dk + at) =
            *reinterpret_cast<const Chunk*>(k_tile + tile_chunk<D>(row, chunk));
        *reinterpret_cast<Chunk*>(dv + at) =
            *reinterpret_cast<const Chunk*>(v_tile + tile_chunk<D>(row, chunk));
    }
}
