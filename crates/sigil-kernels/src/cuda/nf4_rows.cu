// y = x W^T (+ addend) for few tokens: x [tokens, k] in bf16, W [n, k] in 4 bits with its scales, which
// are decoded on the way to the tensor cores and never written anywhere. For up to three W that read the
// same x in one launch: with few tokens starting a kernel costs as much as running it.
//
// A block takes ROWS rows of W, which is the left operand; tokens are the columns of the right one. Its
// warps share k in steps of 128 features and their sums are added in the order of the warps, so a
// token's result is the same bits whatever other tokens there are. A lane reads 32 codes of a row in one
// go; which features meet in a product is free, as long as both operands agree: the four features of a
// lane in one product are four neighbours.
//
// Weights are rounded to bf16 as the decoding kernel rounds them. k is a multiple of 64, the block of a
// scale. Defined before this text: MATRICES, TOKEN_TILES, ROW_TILES, NESTED, OUT_F32, ADDS.

constexpr int WARPS = 8, THREADS = 32 * WARPS;
constexpr int ROWS = 16 * ROW_TILES, TOKENS = 8 * TOKEN_TILES;
constexpr u32 STEP = 128, BLOCK = 64;

struct RowsShape {
    u32 tokens, k, group;
    // Of each matrix: its rows, and what is added to its decoded scales.
    u32 n[MATRICES];
    float offset[MATRICES];
    float levels[16];
};

// Pointers come by position, because that is how a launch passes buffers.
#if MATRICES == 1
#define EACH_MATRIX(X) X(0)
#elif MATRICES == 2
#define EACH_MATRIX(X) X(0) X(1)
#else
static_assert(MATRICES == 3, "the list below");
#define EACH_MATRIX(X) X(0) X(1) X(2)
#endif
#define POINTERS(i)                                                                           \
    const u32 *packed##i, const u32 *codes##i, const float *absmax##i, const float *levels##i, \
        const void *addend##i, void *out##i,
#define CHOOSE(i)                                                                            \
    if (matrix == i)                                                                         \
        weight = {packed##i, codes##i,  absmax##i,    levels##i,                             \
                  addend##i, out##i,    shape.n[i],   shape.offset[i]};

struct Weight {
    const u32 *packed, *codes;
    const float *absmax, *levels;
    const void* addend;
    void* out;
    u32 n;
    float offset;
};

// Elements `i` and `i + 1` of a word of eight codes; byte b holds element 2 b in its high nibble.
DEVICE u32 weights(const float* table, u32 word, int i, float scale) {
    const u32 low = word >> (4 * i + 4) & 15, high = word >> (4 * i) & 15;
    return pack(table[low] * scale, table[high] * scale);
}

KERNEL(THREADS, 2)
SIGIL_ENTRY(const bf16* x, EACH_MATRIX(POINTERS) BY_VALUE RowsShape shape) {
    // The blocks of a matrix follow those of the one before it.
    u32 matrix = 0, block_of_rows = blockIdx.x;
#pragma unroll
    for (u32 m = 0; m + 1 < MATRICES; ++m) {
        const u32 blocks = (shape.n[m] + ROWS - 1) / ROWS;
        if (matrix == m && block_of_rows >= blocks) {
            block_of_rows -= blocks;
            matrix = m + 1;
        }
    }
    Weight weight;
    EACH_MATRIX(CHOOSE)
    SHARED(memory);
    float* sums = reinterpret_cast<float*>(memory);
    // Sixteen levels lie in sixteen banks: no two lanes wait for each other.
    float* table = sums + WARPS * TOKENS * ROWS;
#if NESTED
    float* nested = table + 16;
#endif
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, line = lane / 4, quad = lane % 4;
    if (threadIdx.x < 16) table[threadIdx.x] = shape.levels[threadIdx.x];
#if NESTED
    nested[threadIdx.x] = weight.levels[threadIdx.x];
#endif
    __syncthreads();
    const u32 first_row = block_of_rows * ROWS;

    float c[ROW_TILES][TOKEN_TILES][4];
#pragma unroll
    for (int r = 0; r < ROW_TILES; ++r)
#pragma unroll
        for (int t = 0; t < TOKEN_TILES; ++t)
#pragma unroll
            for (int e = 0; e < 4; ++e) c[r][t][e] = 0.0f;

    for (u32 step = warp * STEP; step < shape.k; step += WARPS * STEP) {
        const u32 feature = step + 32 * quad;
        const bool inside = feature < shape.k;
        Chunk words[ROW_TILES][2];
        float scale[ROW_TILES][2];
#pragma unroll
        for (int r = 0; r < ROW_TILES; ++r)
#pragma unroll
            for (int h = 0; h < 2; ++h) {
                const u32 row = first_row + 16 * r + 8 * h + line;
                words[r][h] = Chunk{{0, 0, 0, 0}};
                scale[r][h] = 0.0f;
                if (inside && row < weight.n) {
                    const u64 at = element(row, feature, shape.k);
                    words[r][h] = *reinterpret_cast<const Chunk*>(weight.packed + at / 8);
                    const u64 block = at / BLOCK;
#if NESTED
                    const u32 code = weight.codes[block / 4] >> (8 * (block % 4)) & 255;
                    scale[r][h] = nested[code] * weight.absmax[block / shape.group] + weight.offset;
#else
                    scale[r][h] = weight.absmax[block];
#endif
                }
            }
#pragma unroll
        for (int w = 0; w < 4; ++w) {
            Chunk right[TOKEN_TILES];
#pragma unroll
            for (int t = 0; t < TOKEN_TILES; ++t) {
                const u32 token = 8 * t + line;
                right[t] = Chunk{{0, 0, 0, 0}};
                if (inside && token < shape.tokens)
                    right[t] = *reinterpret_cast<const Chunk*>(
                        x + element(token, feature + 8 * w, shape.k));
            }
#pragma unroll
            for (int r = 0; r < ROW_TILES; ++r)
#pragma unroll
                for (int s = 0; s < 2; ++s) {
                    const u32 left[4] = {
                        weights(table, words[r][0].words[w], 4 * s, scale[r][0]),
                        weights(table, words[r][1].words[w], 4 * s, scale[r][1]),
                        weights(table, words[r][0].words[w], 4 * s + 2, scale[r][0]),
                        weights(table, words[r][1].words[w], 4 * s + 2, scale[r][1]),
                    };
#pragma unroll
                    for (int t = 0; t < TOKEN_TILES; ++t)
                        multiply(c[r][t], left, right[t].words[2 * s], right[t].words[2 * s + 1]);
                }
        }
    }

#pragma unroll
    for (int r = 0; r < ROW_TILES; ++r)
#pragma unroll
        for (int t = 0; t < TOKEN_TILES; ++t)
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const int row = 16 * r + e / 2 * 8 + line, token = 8 * t + 2 * quad + e % 2;
                sums[(warp * TOKENS + token) * ROWS + row] = c[r][t][e];
            }
    __syncthreads();
    for (int i = threadIdx.x; i < TOKENS * ROWS; i += THREADS) {
        const u32 token = i / ROWS, row = first_row + i % ROWS;
        if (token >= shape.tokens || row >= weight.n) continue;
        float sum = 0.0f;
#pragma unroll
        for (int w = 0; w < WARPS; ++w) sum += sums[w * TOKENS * ROWS + i];
        const u64 at = element(token, row, weight.n);
#if OUT_F32
#if ADDS
        sum += static_cast<const float*>(weight.addend)[at];
#endif
        static_cast<float*>(weight.out)[at] = sum;
#else
#if ADDS
        sum += low_float(static_cast<const bf16*>(weight.addend)[at]);
#endif
        static_cast<bf16*>(weight.out)[at] = static_cast<bf16>(pack(sum, 0.0f));
#endif
    }
}
