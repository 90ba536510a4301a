// out [m, n] = alpha * (a * b + a2 * b2) (+ addend), bf16 operands, sums in f32, one rounding.
//
// The second pair of operands is the LoRA branch: it extends the sum over k, so the branch needs no
// pass of its own over the output. `addend` may be the output itself.
//
// Defined before this text: BM, BN (tile of a block), WM, WN (tile of a warp), STAGES (depth of the
// copy pipeline), A_STORED_KM (a is stored [k, m], else [m, k]), B_STORED_NK (b is stored [n, k],
// else [k, n]), OUT_F32, ADDS (an addend is given), PARTIAL (write f32 sums of a share of k, to be
// added by reduce.cu). A launch needs every stored row to be a multiple of 8 elements.

constexpr int BK = 64;
constexpr int WARPS_M = BM / WM, WARPS_N = BN / WN;
constexpr int THREADS = 32 * WARPS_M * WARPS_N;
constexpr int A_TILE = BM * BK, B_TILE = BN * BK;
constexpr int PITCH = BN + 4;
// Tiles of rows that share their columns of b in the second-level cache.
constexpr u32 GROUP = 8;

struct GemmShape {
    u32 m, n, k, k2;
    // Tiles of k that each block sums over; blockIdx.z counts the shares.
    u32 share;
    float alpha;
};

struct Corner {
    u32 row, column;
};

// The corner of a block's tile: GROUP rows of tiles are walked column by column.
DEVICE Corner corner_of(u32 block, u32 m, u32 n) {
    const u32 tiles_m = (m + BM - 1) / BM, tiles_n = (n + BN - 1) / BN;
    const u32 first = block / (GROUP * tiles_n) * GROUP;
    const u32 rows = tiles_m - first < GROUP ? tiles_m - first : GROUP;
    const u32 inside = block % (GROUP * tiles_n);
    return {(first + inside % rows) * BM, inside / rows * BN};
}

// Starts the copies of tile `step` of k: first those of (a, b), then those of (a2, b2).
DEVICE void load_step(bf16* a_tile, bf16* b_tile, const bf16* a, const bf16* b, const bf16* a2,
                      const bf16* b2, Corner corner, const GemmShape& shape, u32 step) {
    const u32 steps = (shape.k + BK - 1) / BK;
    const bool extended = step >= steps;
    const u64 k = extended ? shape.k2 : shape.k;
    const u64 at = static_cast<u64>(extended ? step - steps : step) * BK;
    const bf16* left = extended ? a2 : a;
    const bf16* right = extended ? b2 : b;
#if A_STORED_KM
    load_tile<BK, BM, THREADS>(a_tile, left, at, corner.row, k, shape.m);
#else
    load_tile<BM, BK, THREADS>(a_tile, left, corner.row, at, shape.m, k);
#endif
#if B_STORED_NK
    load_tile<BN, BK, THREADS>(b_tile, right, corner.column, at, shape.n, k);
#else
    load_tile<BK, BN, THREADS>(b_tile, right, at, corner.column, k, shape.n);
#endif
}

KERNEL(THREADS, 1)
SIGIL_ENTRY(const bf16* a, const bf16* b, const bf16* a2, const bf16* b2, const void* addend,
            void* out, BY_VALUE GemmShape shape) {
    SHARED(memory);
    bf16* a_tiles = reinterpret_cast<bf16*>(memory);
    bf16* b_tiles = a_tiles + STAGES * A_TILE;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int warp_row = warp / WARPS_N * WM, warp_column = warp % WARPS_N * WN;
    const Corner corner = corner_of(blockIdx.x, shape.m, shape.n);
    const u32 all_steps = (shape.k + BK - 1) / BK + (shape.k2 + BK - 1) / BK;
    const u32 first_step = blockIdx.z * shape.share;
    const u32 left_over = all_steps - first_step;
    const u32 steps = left_over < shape.share ? left_over : shape.share;

    float sums[WM / 16][WN / 8][4];
#pragma unroll
    for (int i = 0; i < WM / 16; ++i)
#pragma unroll
        for (int j = 0; j < WN / 8; ++j)
#pragma unroll
            for (int e = 0; e < 4; ++e) sums[i][j][e] = 0.0f;

#pragma unroll
    for (u32 stage = 0; stage < STAGES - 1; ++stage) {
        if (stage < steps)
            load_step(a_tiles + stage * A_TILE, b_tiles + stage * B_TILE, a, b, a2, b2, corner, shape,
                      first_step + stage);
        commit_copies();
    }
    for (u32 step = 0; step < steps; ++step) {
        wait_copies<STAGES - 2>();
        // All copies of this step have landed, and nobody reads the stage that is filled next.
        __syncthreads();
        const u32 next = step + STAGES - 1;
        if (next < steps) {
            const u32 stage = next % STAGES;
            load_step(a_tiles + stage * A_TILE, b_tiles + stage * B_TILE, a, b, a2, b2, corner, shape,
                      first_step + next);
        }
        commit_copies();
        const bf16* a_tile = a_tiles + step % STAGES * A_TILE;
        const bf16* b_tile = b_tiles + step % STAGES * B_TILE;
#pragma unroll
        for (int k = 0; k < BK; k += 16) {
            u32 left[WM / 16][4];
#pragma unroll
            for (int i = 0; i < WM / 16; ++i) {
#if A_STORED_KM
                load_a_transposed<BM>(left[i], a_tile, warp_row + 16 * i, k);
#else
                load_a<BK>(left[i], a_tile, warp_row + 16 * i, k);
#endif
            }
#pragma unroll
            for (int j = 0; j < WN / 16; ++j) {
                u32 right[4];
#if B_STORED_NK
                load_b_transposed<BK>(right, b_tile, k, warp_column + 16 * j);
#else
                load_b<BN>(right, b_tile, k, warp_column + 16 * j);
#endif
#pragma unroll
                for (int i = 0; i < WM / 16; ++i) {
                    multiply(sums[i][2 * j], left[i], right[0], right[1]);
                    multiply(sums[i][2 * j + 1], left[i], right[2], right[3]);
                }
            }
        }
    }
    wait_copies<0>();
    __syncthreads();

    // Through shared memory, so that the output is written 16 bytes a thread.
    float* tile = reinterpret_cast<float*>(memory);
#pragma unroll
    for (int i = 0; i < WM / 16; ++i)
#pragma unroll
        for (int j = 0; j < WN / 8; ++j)
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const int row = warp_row + 16 * i + e / 2 * 8 + lane / 4;
                const int column = warp_column + 8 * j + lane % 4 * 2 + e % 2;
                tile[row * PITCH + column] = sums[i][j][e];
            }
    __syncthreads();
    for (int i = threadIdx.x; i < BM * BN / 8; i += THREADS) {
        const int row = i / (BN / 8), column = i % (BN / 8) * 8;
        const u64 r = corner.row + row, c = corner.column + column;
        if (r >= shape.m || c >= shape.n) continue;
        const u64 at = element(r, c, shape.n);
        float values[8];
#pragma unroll
        for (int e = 0; e < 8; ++e) values[e] = tile[row * PITCH + column + e];
#if PARTIAL
        float* target = static_cast<float*>(out) + blockIdx.z * element(shape.m, 0, shape.n) + at;
#pragma unroll
        for (int e = 0; e < 8; ++e) target[e] = values[e];
#else
#pragma unroll
        for (int e = 0; e < 8; ++e) values[e] *= shape.alpha;
#if OUT_F32
        float* target = static_cast<float*>(out) + at;
#if ADDS
        const float* more = static_cast<const float*>(addend) + at;
#pragma unroll
        for (int e = 0; e < 8; ++e) values[e] += more[e];
#endif
#pragma unroll
        for (int e = 0; e < 8; ++e) target[e] = values[e];
#else
        Chunk packed;
#if ADDS
        const Chunk more = *reinterpret_cast<const Chunk*>(static_cast<const bf16*>(addend) + at);
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            values[2 * e] += low_float(more.words[e]);
            values[2 * e + 1] += high_float(more.words[e]);
        }
#endif
#pragma unroll
        for (int e = 0; e < 4; ++e) packed.words[e] = pack(values[2 * e], values[2 * e + 1]);
        *reinterpret_cast<Chunk*>(static_cast<bf16*>(out) + at) = packed;
#endif
#endif
    }
}
