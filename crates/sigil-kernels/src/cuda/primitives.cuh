// What the kernels of this folder are made of: bf16 tiles in shared memory, asynchronous copies into
// them, 8x8 matrix loads, tensor-core products of one warp.
//
// Instructions of compute capability 8.0 only, so the same text runs on Ampere, Ada, Hopper and
// Blackwell. With SIGIL_HOST the instructions come from tests/cuda/emulator.h, which runs a block
// on the CPU lane by lane; everything below the `#endif` is the same text on both.

typedef unsigned int u32;
typedef unsigned long long u64;
// The bits of a bf16: no kernel does arithmetic in it.
typedef unsigned short bf16;

struct alignas(16) Chunk {
    u32 words[4];
};

#ifndef SIGIL_HOST

#define DEVICE __device__ __forceinline__
#define KERNEL(threads, blocks) extern "C" __global__ void __launch_bounds__(threads, blocks)
#define BY_VALUE const __grid_constant__
#define SHARED(name) extern __shared__ __align__(128) unsigned char name[]

DEVICE u32 shared_address(const void* pointer) {
    return static_cast<u32>(__cvta_generic_to_shared(pointer));
}

// Starts a copy of 16 bytes into shared memory, or writes zeros where `inside` is false.
DEVICE void copy_async(void* to, const void* from, bool inside) {
    const int bytes = inside ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from),
                 "r"(bytes)
                 : "memory");
}

DEVICE void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most `LEFT` groups of this thread's copies are under way.
template <int LEFT>
DEVICE void wait_copies() {
    asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
}

// Four 8x8 matrices; lane `8 i + r` gives the address of row `r` of matrix `i`.
DEVICE void load_matrices(u32 (&r)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row)));
}

DEVICE void load_matrices_transposed(u32 (&r)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row)));
}

// c [16, 8] += a [16, 16] * b [16, 8].
DEVICE void multiply(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Both rounded to the nearest bf16; `low` is the element with the lower index.
DEVICE u32 pack(float low, float high) {
    u32 packed;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
    return packed;
}

DEVICE float exchange(float value, int lane_mask) {
    return __shfl_xor_sync(0xffffffffu, value, lane_mask);
}

DEVICE float exp2_fast(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

DEVICE float float_of_bits(u32 bits) { return __uint_as_float(bits); }
DEVICE u32 bits_of_float(float value) { return __float_as_uint(value); }

// The upper 64 bits of the product.
DEVICE u64 high_product(u64 a, u64 b) { return __umul64hi(a, b); }

// Adds to a number in shared memory that others add to at the same time. Integers only: a float's sum would
// depend on the order.
DEVICE void add_shared(u64* to, u64 value) { atomicAdd(to, value); }

// Each rounded by itself: the compiler may not join two of them into a multiply-add.
DEVICE float rounded_sum(float a, float b) { return __fadd_rn(a, b); }
DEVICE float rounded_difference(float a, float b) { return __fsub_rn(a, b); }
DEVICE float rounded_product(float a, float b) { return __fmul_rn(a, b); }
DEVICE float rounded_quotient(float a, float b) { return __fdiv_rn(a, b); }
DEVICE float rounded_root(float x) { return __fsqrt_rn(x); }

// The same where subnormal numbers count: without the flush to zero of fast arithmetic.
DEVICE float exact_product(float a, float b) {
    float product;
    asm("mul.rn.f32 %0, %1, %2;" : "=f"(product) : "f"(a), "f"(b));
    return product;
}

DEVICE float exact_quotient(float a, float b) {
    float quotient;
    asm("div.rn.f32 %0, %1, %2;" : "=f"(quotient) : "f"(a), "f"(b));
    return quotient;
}

#endif

DEVICE float low_float(u32 pair) { return float_of_bits(pair << 16); }
DEVICE float high_float(u32 pair) { return float_of_bits(pair & 0xffff0000u); }

// Where element (row, column) of a dense matrix lies; 64 bits, because a matrix may have more than
// 2^32 elements.
DEVICE u64 element(u64 row, u64 column, u64 columns) { return row * columns + column; }

// Where chunk (8 elements, 16 bytes) `chunk` of `row` lies in a tile of COLUMNS columns, in elements.
// The chunks of a row are permuted so that the eight rows of a matrix load hit eight different groups
// of banks, whatever the width of the tile.
template <int COLUMNS>
DEVICE int tile_chunk(int row, int chunk) {
    constexpr int CHUNKS = COLUMNS / 8;
    constexpr int ROWS_OF_A_LINE = CHUNKS >= 8 ? 1 : 8 / CHUNKS;
    constexpr int PERMUTED = CHUNKS >= 8 ? 8 : CHUNKS;
    return row * COLUMNS + (chunk ^ ((row / ROWS_OF_A_LINE) % PERMUTED)) * 8;
}

// Starts the copies of a tile whose corner is (first_row, first_column) of a dense matrix; what lies
// outside the matrix becomes zero. `columns` and `first_column` are multiples of 8.
template <int ROWS, int COLUMNS, int THREADS>
DEVICE void load_tile(bf16* tile, const bf16* source, u64 first_row, u64 first_column, u64 rows,
                      u64 columns) {
    constexpr int CHUNKS = COLUMNS / 8;
    // A thread copies the same column of every STEP-th row.
    constexpr int STEP = THREADS / CHUNKS;
    static_assert(THREADS % CHUNKS == 0, "a thread stays in its column");
    const int thread = threadIdx.x, chunk = thread % CHUNKS;
    const u64 column = first_column + 8 * chunk;
    const bool column_inside = column < columns;
    const bf16* from = source + element(first_row + thread / CHUNKS, column, columns);
#pragma unroll
    for (int i = 0; i < (ROWS + STEP - 1) / STEP; ++i) {
        const int row = thread / CHUNKS + i * STEP;
        if (ROWS % STEP == 0 || row < ROWS) {
            const bool inside = column_inside && first_row + row < rows;
            // An address outside is never read, but must be one.
            copy_async(tile + tile_chunk<COLUMNS>(row, chunk), inside ? from : source, inside);
        }
        from += STEP * columns;
    }
}

// The 16x16 operand `a` at (row, k) of a tile [rows, k].
template <int COLUMNS>
DEVICE void load_a(u32 (&a)[4], const bf16* tile, int row, int k) {
    const int lane = threadIdx.x % 32;
    load_matrices(a, tile + tile_chunk<COLUMNS>(row + lane % 16, k / 8 + lane / 16));
}

// The same from a tile [k, rows].
template <int COLUMNS>
DEVICE void load_a_transposed(u32 (&a)[4], const bf16* tile, int row, int k) {
    const int lane = threadIdx.x % 32, matrix = lane / 8;
    const int at = k + matrix / 2 * 8 + lane % 8;
    load_matrices_transposed(a, tile + tile_chunk<COLUMNS>(at, row / 8 + matrix % 2));
}

// Two 16x8 operands `b`, side by side, at (k, n) of a tile [n, k]: b[0], b[1] and b[2], b[3].
template <int COLUMNS>
DEVICE void load_b_transposed(u32 (&b)[4], const bf16* tile, int k, int n) {
    const int lane = threadIdx.x % 32, matrix = lane / 8;
    const int at = n + matrix / 2 * 8 + lane % 8;
    load_matrices(b, tile + tile_chunk<COLUMNS>(at, k / 8 + matrix % 2));
}

// The same from a tile [k, n].
template <int COLUMNS>
DEVICE void load_b(u32 (&b)[4], const bf16* tile, int k, int n) {
    const int lane = threadIdx.x % 32, matrix = lane / 8;
    const int at = k + matrix % 2 * 8 + lane % 8;
    load_matrices_transposed(b, tile + tile_chunk<COLUMNS>(at, n / 8 + matrix / 2));
}
