// Gradient of attention by the queries, from the saved log-sum-exp (Dao 2023, algorithm 2).
//
// A block takes BLOCK_Q queries of one head, a warp 32 of them, and recomputes the weights tile by
// tile of keys: dq = scale * (p * (dout v^T - delta)) k. There are no atomics: dk and dv have a pass
// of their own (attention_key_gradient.cu), so a step repeats bit for bit.
//
// Defined before this text: D (features of a head, a multiple of 16), BLOCK_Q, BLOCK_K.

constexpr int WARPS = BLOCK_Q / 32;
constexpr int THREADS = 32 * WARPS;
constexpr int Q_TILE = BLOCK_Q * D, KV_TILE = BLOCK_K * D;
constexpr float LOG2_E = 1.4426950408889634f;

struct AttentionShape {
    u32 tokens, heads, kv_heads, window;
    float scale;
};

// Grid: tiles of queries, heads; the last tiles first.
KERNEL(THREADS, 2)
SIGIL_ENTRY(const bf16* q, const bf16* k, const bf16* v, const bf16* dout, const float* log_sum_exp,
            const float* delta, const int* starts, bf16* dq, BY_VALUE AttentionShape shape) {
    SHARED(memory);
    bf16* q_tile = reinterpret_cast<bf16*>(memory);
    bf16* dout_tile = q_tile + Q_TILE;
    bf16* k_tiles = dout_tile + Q_TILE;
    bf16* v_tiles = k_tiles + 2 * KV_TILE;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int warp_row = 32 * warp;
    const u32 head = blockIdx.y, tokens = shape.tokens;
    const u32 first_query = (gridDim.x - 1 - blockIdx.x) * BLOCK_Q;
    const u64 q_width = static_cast<u64>(shape.heads) * D;
    const u64 kv_width = static_cast<u64>(shape.kv_heads) * D;
    const u64 q_column = static_cast<u64>(head) * D;
    const u64 kv_column = static_cast<u64>(head / (shape.heads / shape.kv_heads)) * D;

    const u32 end_query = first_query + BLOCK_Q < tokens ? first_query + BLOCK_Q : tokens;
    u32 first_key = starts[first_query];
    if (first_key + shape.window <= first_query) first_key = first_query + 1 - shape.window;
    const u32 first_tile = first_key / BLOCK_K, end_tile = (end_query - 1) / BLOCK_K + 1;
    const u32 last_start = starts[end_query - 1];

    load_tile<BLOCK_Q, D, THREADS>(q_tile, q, first_query, q_column, tokens, q_width);
    load_tile<BLOCK_Q, D, THREADS>(dout_tile, dout, first_query, q_column, tokens, q_width);
    load_tile<BLOCK_K, D, THREADS>(k_tiles, k, first_tile * BLOCK_K, kv_column, tokens, kv_width);
    load_tile<BLOCK_K, D, THREADS>(v_tiles, v, first_tile * BLOCK_K, kv_column, tokens, kv_width);
    commit_copies();

    float sums[2][D / 8][4], log_sum[2][2], shift[2][2];
    u32 start[2][2];
    const u32 row_of_lane = first_query + warp_row + lane / 4;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
        for (int h = 0; h < 2; ++h) {
            const u32 query = row_of_lane + 16 * i + 8 * h;
            const bool inside = query < tokens;
            const u64 at = element(query, head, shape.heads);
            log_sum[i][h] = inside ? log_sum_exp[at] * LOG2_E : 0.0f;
            shift[i][h] = inside ? delta[at] : 0.0f;
            start[i][h] = inside ? starts[query] : tokens;
        }
#pragma unroll
        for (int j = 0; j < D / 8; ++j)
#pragma unroll
            for (int e = 0; e < 4; ++e) sums[i][j][e] = 0.0f;
    }
    const float scale = shape.scale * LOG2_E;

    for (u32 tile = first_tile; tile < end_tile; ++tile) {
        const u32 keys = tile * BLOCK_K, parity = (tile - first_tile) % 2;
        const bf16* k_tile = k_tiles + parity * KV_TILE;
        const bf16* v_tile = v_tiles + parity * KV_TILE;
        wait_copies<0>();
        // This tile has landed; nobody reads the other buffers any more.
        __syncthreads();
        if (tile + 1 < end_tile) {
            load_tile<BLOCK_K, D, THREADS>(k_tiles + (1 - parity) * KV_TILE, k, keys + BLOCK_K,
                                           kv_column, tokens, kv_width);
            load_tile<BLOCK_K, D, THREADS>(v_tiles + (1 - parity) * KV_TILE, v, keys + BLOCK_K,
                                           kv_column, tokens, kv_width);
        }
        commit_copies();

        float scores[2][BLOCK_K / 8][4], slopes[2][BLOCK_K / 8][4];
#pragma unroll
        for (int i = 0; i < 2; ++i)
#pragma unroll
            for (int j = 0; j < BLOCK_K / 8; ++j)
#pragma unroll
                for (int e = 0; e < 4; ++e) scores[i][j][e] = slopes[i][j][e] = 0.0f;
#pragma unroll
        for (int d = 0; d < D; d += 16) {
            u32 left[4], right[4];
#pragma unroll
            for (int i = 0; i < 2; ++i) {
                load_a<D>(left, q_tile, warp_row + 16 * i, d);
#pragma unroll
                for (int j = 0; j < BLOCK_K / 16; ++j) {
                    load_b_transposed<D>(right, k_tile, d, 16 * j);
                    multiply(scores[i][2 * j], left, right[0], right[1]);
                    multiply(scores[i][2 * j + 1], left, right[2], right[3]);
                }
                load_a<D>(left, dout_tile, warp_row + 16 * i, d);
#pragma unroll
                for (int j = 0; j < BLOCK_K / 16; ++j) {
                    load_b_transposed<D>(right, v_tile, d, 16 * j);
                    multiply(slopes[i][2 * j], left, right[0], right[1]);
                    multiply(slopes[i][2 * j + 1], left, right[2], right[3]);
                }
            }
        }

        const bool all_seen = keys + BLOCK_K - 1 <= first_query && keys >= last_start &&
                              keys + shape.window > first_query + BLOCK_Q - 1;
#pragma unroll
        for (int i = 0; i < 2; ++i)
#pragma unroll
            for (int j = 0; j < BLOCK_K / 8; ++j)
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    const u32 query = row_of_lane + 16 * i + e / 2 * 8;
                    const u32 key = keys + 8 * j + lane % 4 * 2 + e % 2;
                    const bool seen = all_seen || (key <= query && key >= start[i][e / 2] &&
                                                   key + shape.window > query);
                    const float weight = exp2_fast(scores[i][j][e] * scale - log_sum[i][e / 2]);
                    slopes[i][j][e] = seen ? weight * (slopes[i][j][e] - shift[i][e / 2]) : 0.0f;
                }
#pragma unroll
        for (int t = 0; t < BLOCK_K / 16; ++t) {
            u32 left[2][4];
#pragma unroll
            for (int i = 0; i < 2; ++i)
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    const float* pair = &slopes[i][2 * t + e / 2][e % 2 * 2];
                    left[i][e] = pack(pair[0], pair[1]);
                }
#pragma unroll
            for (int j = 0; j < D / 16; ++j) {
                u32 right[4];
                load_b<D>(right, k_tile, 16 * t, 16 * j);
#pragma unroll
                for (int i = 0; i < 2; ++i) {
                    multiply(sums[i][2 * j], left[i], right[0], right[1]);
                    multiply(sums[i][2 * j + 1], left[i], right[2], right[3]);
                }
            }
        }
    }

    __syncthreads();
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
        for (int h = 0; h < 2; ++h) {
            const int row = warp_row + 16 * i + 8 * h + lane / 4;
#pragma unroll
            for (int j = 0; j < D / 8; ++j) {
                const float* pair = &sums[i][j][2 * h];
                *reinterpret_cast<u32*>(q_tile + tile_chunk<D>(row, j) + lane % 4 * 2) =
                    pack(pair[0] * shape.scale, pair[1] * shape.scale);
            }
        }
    __syncthreads();
    for (int i = threadIdx.x; i < BLOCK_Q * D / 8; i += THREADS) {
        const int row = i / (D / 8), chunk = i % (D / 8);
        if (first_query + row < tokens)
            *reinterpret_cast<Chunk*>(dq + element(first_query + row, q_column + 8 * chunk, q_width)) =
                *reinterpret_cast<const Chunk*>(q_tile + tile_chunk<D>(row, chunk));
    }
}
