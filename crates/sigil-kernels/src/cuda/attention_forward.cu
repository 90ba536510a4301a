// Causal attention inside documents with an online softmax (Dao 2023, algorithm 1), bf16 in and out.
//
// A block takes BLOCK_Q queries of one head; a warp 32 of them, whose scores, weights and sums never
// leave its registers. Keys and values pass by in two buffers each, so that copies overlap products.
// Query heads share key heads in groups.
//
// Defined before this text: D (features of a head, a multiple of 16), BLOCK_Q, BLOCK_K.

constexpr int WARPS = BLOCK_Q / 32;
constexpr int THREADS = 32 * WARPS;
constexpr int Q_TILE = BLOCK_Q * D, KV_TILE = BLOCK_K * D;
constexpr float LOG2_E = 1.4426950408889634f;
constexpr float LN_2 = 0.6931471805599453f;

struct AttentionShape {
    u32 tokens, heads, kv_heads, window;
    float scale;
};

DEVICE float lowest() { return float_of_bits(0xff800000u); }

// Largest and sum over the four lanes that share a row.
DEVICE float row_max(float x) {
    x = fmaxf(x, exchange(x, 1));
    return fmaxf(x, exchange(x, 2));
}

DEVICE float row_sum(float x) {
    x += exchange(x, 1);
    return x + exchange(x, 2);
}

// Grid: tiles of queries, heads. The last tiles come first: under a causal mask they take longest.
KERNEL(THREADS, 2)
SIGIL_ENTRY(const bf16* q, const bf16* k, const bf16* v, const int* starts, bf16* out,
            float* log_sum_exp, BY_VALUE AttentionShape shape) {
    SHARED(memory);
    bf16* q_tile = reinterpret_cast<bf16*>(memory);
    bf16* k_tiles = q_tile + Q_TILE;
    bf16* v_tiles = k_tiles + 2 * KV_TILE;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int warp_row = 32 * warp;
    const u32 head = blockIdx.y, tokens = shape.tokens;
    const u32 first_query = (gridDim.x - 1 - blockIdx.x) * BLOCK_Q;
    const u64 q_width = static_cast<u64>(shape.heads) * D;
    const u64 kv_width = static_cast<u64>(shape.kv_heads) * D;
    const u64 q_column = static_cast<u64>(head) * D;
    const u64 kv_column = static_cast<u64>(head / (shape.heads / shape.kv_heads)) * D;

    // Documents begin in order: the first query reaches back furthest.
    const u32 end_query = first_query + BLOCK_Q < tokens ? first_query + BLOCK_Q : tokens;
    u32 first_key = starts[first_query];
    if (first_key + shape.window <= first_query) first_key = first_query + 1 - shape.window;
    const u32 first_tile = first_key / BLOCK_K, end_tile = (end_query - 1) / BLOCK_K + 1;
    const u32 last_start = starts[end_query - 1];

    load_tile<BLOCK_Q, D, THREADS>(q_tile, q, first_query, q_column, tokens, q_width);
    load_tile<BLOCK_K, D, THREADS>(k_tiles, k, first_tile * BLOCK_K, kv_column, tokens, kv_width);
    commit_copies();
    load_tile<BLOCK_K, D, THREADS>(v_tiles, v, first_tile * BLOCK_K, kv_column, tokens, kv_width);
    commit_copies();

    float sums[2][D / 8][4], top[2][2], total[2][2];
    u32 start[2][2];
    const u32 row_of_lane = first_query + warp_row + lane / 4;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
        for (int h = 0; h < 2; ++h) {
            const u32 query = row_of_lane + 16 * i + 8 * h;
            top[i][h] = lowest();
            total[i][h] = 0.0f;
            start[i][h] = query < tokens ? starts[query] : tokens;
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
        wait_copies<1>();
        // The keys have landed; nobody reads the other key buffer any more.
        __syncthreads();
        if (tile + 1 < end_tile)
            load_tile<BLOCK_K, D, THREADS>(k_tiles + (1 - parity) * KV_TILE, k, keys + BLOCK_K,
                                           kv_column, tokens, kv_width);
        commit_copies();

        float scores[2][BLOCK_K / 8][4];
#pragma unroll
        for (int i = 0; i < 2; ++i)
#pragma unroll
            for (int j = 0; j < BLOCK_K / 8; ++j)
#pragma unroll
                for (int e = 0; e < 4; ++e) scores[i][j][e] = 0.0f;
#pragma unroll
        for (int d = 0; d < D; d += 16) {
            u32 left[2][4];
            load_a<D>(left[0], q_tile, warp_row, d);
            load_a<D>(left[1], q_tile, warp_row + 16, d);
#pragma unroll
            for (int j = 0; j < BLOCK_K / 16; ++j) {
                u32 right[4];
                load_b_transposed<D>(right, k_tile, d, 16 * j);
#pragma unroll
                for (int i = 0; i < 2; ++i) {
                    multiply(scores[i][2 * j], left[i], right[0], right[1]);
                    multiply(scores[i][2 * j + 1], left[i], right[2], right[3]);
                }
            }
        }

        const bool all_seen = keys + BLOCK_K - 1 <= first_query && keys >= last_start &&
                              keys + shape.window > first_query + BLOCK_Q - 1;
        if (!all_seen) {
#pragma unroll
            for (int i = 0; i < 2; ++i)
#pragma unroll
                for (int j = 0; j < BLOCK_K / 8; ++j)
#pragma unroll
                    for (int e = 0; e < 4; ++e) {
                        const u32 query = row_of_lane + 16 * i + e / 2 * 8;
                        const u32 key = keys + 8 * j + lane % 4 * 2 + e % 2;
                        const bool seen = key <= query && key >= start[i][e / 2] &&
                                          key + shape.window > query;
                        if (!seen) scores[i][j][e] = lowest();
                    }
        }
#pragma unroll
        for (int i = 0; i < 2; ++i)
#pragma unroll
            for (int h = 0; h < 2; ++h) {
                float highest = lowest();
#pragma unroll
                for (int j = 0; j < BLOCK_K / 8; ++j)
                    highest = fmaxf(highest, fmaxf(scores[i][j][2 * h], scores[i][j][2 * h + 1]));
                highest = fmaxf(top[i][h], row_max(highest) * scale);
                // A row that has seen nothing yet keeps weights of zero instead of NaN.
                const float base = highest == lowest() ? 0.0f : highest;
                const float shrink = exp2_fast(top[i][h] - base);
                top[i][h] = highest;
                float sum = 0.0f;
#pragma unroll
                for (int j = 0; j < BLOCK_K / 8; ++j)
#pragma unroll
                    for (int e = 2 * h; e < 2 * h + 2; ++e) {
                        scores[i][j][e] = exp2_fast(scores[i][j][e] * scale - base);
                        sum += scores[i][j][e];
                    }
                total[i][h] = total[i][h] * shrink + sum;
#pragma unroll
                for (int j = 0; j < D / 8; ++j) {
                    sums[i][j][2 * h] *= shrink;
                    sums[i][j][2 * h + 1] *= shrink;
                }
            }

        wait_copies<1>();
        __syncthreads();
        if (tile + 1 < end_tile)
            load_tile<BLOCK_K, D, THREADS>(v_tiles + (1 - parity) * KV_TILE, v, keys + BLOCK_K,
                                           kv_column, tokens, kv_width);
        commit_copies();
#pragma unroll
        for (int t = 0; t < BLOCK_K / 16; ++t) {
            // Two neighbouring score tiles are, packed, one operand.
            u32 weights[2][4];
#pragma unroll
            for (int i = 0; i < 2; ++i)
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    const float* pair = &scores[i][2 * t + e / 2][e % 2 * 2];
                    weights[i][e] = pack(pair[0], pair[1]);
                }
#pragma unroll
            for (int j = 0; j < D / 16; ++j) {
                u32 right[4];
                load_b<D>(right, v_tile, 16 * t, 16 * j);
#pragma unroll
                for (int i = 0; i < 2; ++i) {
                    multiply(sums[i][2 * j], weights[i], right[0], right[1]);
                    multiply(sums[i][2 * j + 1], weights[i], right[2], right[3]);
                }
            }
        }
    }

    // The tile of queries becomes that of outputs: each warp reads and writes its own rows only.
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
        for (int h = 0; h < 2; ++h) {
            const float sum = row_sum(total[i][h]);
            const float factor = sum > 0.0f ? 1.0f / sum : 0.0f;
            const int row = warp_row + 16 * i + 8 * h + lane / 4;
            const u32 query = first_query + row;
            if (query < tokens && lane % 4 == 0)
                log_sum_exp[element(query, head, shape.heads)] = top[i][h] * LN_2 + logf(sum);
#pragma unroll
            for (int j = 0; j < D / 8; ++j) {
                const u32 pair = pack(sums[i][j][2 * h] * factor, sums[i][j][2 * h + 1] * factor);
                *reinterpret_cast<u32*>(q_tile + tile_chunk<D>(row, j) + lane % 4 * 2) = pair;
            }
        }
    __syncthreads();
    for (int i = threadIdx.x; i < BLOCK_Q * D / 8; i += THREADS) {
        const int row = i / (D / 8), chunk = i % (D / 8);
        if (first_query + row < tokens)
            *reinterpret_cast<Chunk*>(out + element(first_query + row, q_column + 8 * chunk, q_width)) =
                *reinterpret_cast<const Chunk*>(q_tile + tile_chunk<D>(row, chunk));
    }
}
