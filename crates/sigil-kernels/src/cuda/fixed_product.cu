// out = alpha * (a b) (+ addend) on the general units, f32 sums in the order of k: for products that the
// tensor-core kernels do not take, where every run must give the same bits or f32 must be f32 and not
// TF32. Not for speed.
//
// A block computes 64 x 64 elements, a thread 4 x 4 of them, 16 apart. Any sizes.
//
// Defined before this text: IN_F32 (else bf16), OUT_F32 (else bf16), A_STORED_KM, B_STORED_NK, ADDS.

constexpr int SIDE = 16, MICRO = 4, TILE = SIDE * MICRO, DEPTH = 16, THREADS = SIDE * SIDE;
// Odd, so that a column hits all banks.
constexpr int PITCH = TILE + 1;

#if IN_F32
typedef float In;
DEVICE float value_of(float x) { return x; }
#else
typedef bf16 In;
DEVICE float value_of(bf16 x) { return low_float(x); }
#endif
#if OUT_F32
typedef float Out;
DEVICE float addend_of(float x) { return x; }
DEVICE float rounded(float x) { return x; }
#else
typedef bf16 Out;
DEVICE float addend_of(bf16 x) { return low_float(x); }
DEVICE bf16 rounded(float x) { return static_cast<bf16>(pack(x, 0.0f)); }
#endif

struct ProductShape {
    u32 m, n, k;
    float alpha;
};

// Grid: tiles of columns and rows together, columns first.
KERNEL(THREADS, 2)
SIGIL_ENTRY(const In* a, const In* b, const Out* addend, Out* out, BY_VALUE ProductShape shape) {
    SHARED(memory);
    float* left = reinterpret_cast<float*>(memory);
    float* right = left + DEPTH * PITCH;
    const u32 tiles = (shape.n + TILE - 1) / TILE;
    const u32 first_row = blockIdx.x / tiles * TILE, first_column = blockIdx.x % tiles * TILE;
    const int x = threadIdx.x % SIDE, y = threadIdx.x / SIDE;
    float sums[MICRO][MICRO] = {};
    for (u32 step = 0; step < shape.k; step += DEPTH) {
        for (int at = threadIdx.x; at < TILE * DEPTH; at += THREADS) {
            // Neighbouring threads read neighbouring elements, however an operand is stored.
            const int a_place = A_STORED_KM ? at % TILE : at / DEPTH;
            const int a_depth = A_STORED_KM ? at / TILE : at % DEPTH;
            const int b_place = B_STORED_NK ? at / DEPTH : at % TILE;
            const int b_depth = B_STORED_NK ? at % DEPTH : at / TILE;
            const u32 row = first_row + a_place, column = first_column + b_place;
            const u32 a_feature = step + a_depth, b_feature = step + b_depth;
            float one = 0.0f, other = 0.0f;
            if (row < shape.m && a_feature < shape.k)
                one = value_of(a[A_STORED_KM ? element(a_feature, row, shape.m)
                                             : element(row, a_feature, shape.k)]);
            if (column < shape.n && b_feature < shape.k)
                other = value_of(b[B_STORED_NK ? element(column, b_feature, shape.k)
                                               : element(b_feature, column, shape.n)]);
            left[a_depth * PITCH + a_place] = one;
            right[b_depth * PITCH + b_place] = other;
        }
        __syncthreads();
        for (int depth = 0; depth < DEPTH; ++depth) {
            float rights[MICRO];
#pragma unroll
            for (int c = 0; c < MICRO; ++c) rights[c] = right[depth * PITCH + x + c * SIDE];
#pragma unroll
            for (int r = 0; r < MICRO; ++r) {
                const float value = left[depth * PITCH + y + r * SIDE];
#pragma unroll
                for (int c = 0; c < MICRO; ++c) sums[r][c] += value * rights[c];
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (int r = 0; r < MICRO; ++r)
#pragma unroll
        for (int c = 0; c < MICRO; ++c) {
            const u32 row = first_row + y + r * SIDE, column = first_column + x + c * SIDE;
            if (row >= shape.m || column >= shape.n) continue;
            const u64 at = element(row, column, shape.n);
            float sum = shape.alpha * sums[r][c];
#if ADDS
            sum += addend_of(addend[at]);
#endif
            out[at] = rounded(sum);
        }
}
