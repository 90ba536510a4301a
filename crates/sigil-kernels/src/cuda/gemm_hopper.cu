// gemm.cu for compute capability 9.0: whole warpgroups multiply tiles that lie in shared memory.
//
// The same sums, parameters and epilogue as gemm.cu, for large products: a block of two warpgroups
// takes [128, 256], each 64 rows. Tiles arrive by asynchronous copies of 16 bytes in the layout that
// `wgmma` calls 128-byte swizzle; two products are under way while the next tile lands.
//
// Defined before this text: B_STORED_NK, OUT_F32, ADDS as in gemm.cu; a is stored [m, k].

constexpr int BM = 128, BN = 256, BK = 64, STAGES = 4;
constexpr int THREADS = 256;
constexpr int A_TILE = BM * BK, B_TILE = BN * BK;
constexpr int PITCH = BN + 4;
// Tiles of rows that share their columns of b in the second-level cache.
constexpr u32 GROUP = 8;
// A swizzled tile is made of atoms of eight rows of 128 bytes.
constexpr u32 ATOM_BYTES = 1024;

struct GemmShape {
    u32 m, n, k, k2;
    // Steps of k in all.
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

// PTX ISA, "Matrix descriptor": address, leading and stride offsets in units of 16 bytes, and the
// 128-byte swizzle.
DEVICE u64 descriptor(u32 address, u32 leading_bytes, u32 stride_bytes) {
    return static_cast<u64>((address & 0x3ffff) >> 4) | static_cast<u64>(leading_bytes >> 4) << 16 |
           static_cast<u64>(stride_bytes >> 4) << 32 | 1ull << 62;
}

#ifndef SIGIL_HOST

DEVICE void publish_copies() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
DEVICE void begin_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
DEVICE void commit_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

template <int LEFT>
DEVICE void wait_products() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(LEFT) : "memory");
}

// c [64, 256] += a [64, 16] * b [16, 256], by the four warps of a warpgroup; b is stored [n, k] or [k, n].
template <bool STORED_NK>
DEVICE void multiply_tiles(float (&c)[32][4], u64 a, u64 b) {
    asm volatile(
        "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 "
        "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
        "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
        "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
        "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
        "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
        "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "
        "%128, %129, 1, 1, 1, 0, %130;"
        : "+f"(c[0][0]), "+f"(c[0][1]), "+f"(c[0][2]), "+f"(c[0][3]), "+f"(c[1][0]), "+f"(c[1][1]), "+f"(c[1][2]), "+f"(c[1][3]),
          "+f"(c[2][0]), "+f"(c[2][1]), "+f"(c[2][2]), "+f"(c[2][3]), "+f"(c[3][0]), "+f"(c[3][1]), "+f"(c[3][2]), "+f"(c[3][3]),
          "+f"(c[4][0]), "+f"(c[4][1]), "+f"(c[4][2]), "+f"(c[4][3]), "+f"(c[5][0]), "+f"(c[5][1]), "+f"(c[5][2]), "+f"(c[5][3]),
          "+f"(c[6][0]), "+f"(c[6][1]), "+f"(c[6][2]), "+f"(c[6][3]), "+f"(c[7][0]), "+f"(c[7][1]), "+f"(c[7][2]), "+f"(c[7][3]),
          "+f"(c[8][0]), "+f"(c[8][1]), "+f"(c[8][2]), "+f"(c[8][3]), "+f"(c[9][0]), "+f"(c[9][1]), "+f"(c[9][2]), "+f"(c[9][3]),
          "+f"(c[10][0]), "+f"(c[10][1]), "+f"(c[10][2]), "+f"(c[10][3]), "+f"(c[11][0]), "+f"(c[11][1]), "+f"(c[11][2]), "+f"(c[11][3]),
          "+f"(c[12][0]), "+f"(c[12][1]), "+f"(c[12][2]), "+f"(c[12][3]), "+f"(c[13][0]), "+f"(c[13][1]), "+f"(c[13][2]), "+f"(c[13][3]),
          "+f"(c[14][0]), "+f"(c[14][1]), "+f"(c[14][2]), "+f"(c[14][3]), "+f"(c[15][0]), "+f"(c[15][1]), "+f"(c[15][2]), "+f"(c[15][3]),
          "+f"(c[16][0]), "+f"(c[16][1]), "+f"(c[16][2]), "+f"(c[16][3]), "+f"(c[17][0]), "+f"(c[17][1]), "+f"(c[17][2]), "+f"(c[17][3]),
          "+f"(c[18][0]), "+f"(c[18][1]), "+f"(c[18][2]), "+f"(c[18][3]), "+f"(c[19][0]), "+f"(c[19][1]), "+f"(c[19][2]), "+f"(c[19][3]),
          "+f"(c[20][0]), "+f"(c[20][1]), "+f"(c[20][2]), "+f"(c[20][3]), "+f"(c[21][0]), "+f"(c[21][1]), "+f"(c[21][2]), "+f"(c[21][3]),
          "+f"(c[22][0]), "+f"(c[22][1]), "+f"(c[22][2]), "+f"(c[22][3]), "+f"(c[23][0]), "+f"(c[23][1]), "+f"(c[23][2]), "+f"(c[23][3]),
          "+f"(c[24][0]), "+f"(c[24][1]), "+f"(c[24][2]), "+f"(c[24][3]), "+f"(c[25][0]), "+f"(c[25][1]), "+f"(c[25][2]), "+f"(c[25][3]),
          "+f"(c[26][0]), "+f"(c[26][1]), "+f"(c[26][2]), "+f"(c[26][3]), "+f"(c[27][0]), "+f"(c[27][1]), "+f"(c[27][2]), "+f"(c[27][3]),
          "+f"(c[28][0]), "+f"(c[28][1]), "+f"(c[28][2]), "+f"(c[28][3]), "+f"(c[29][0]), "+f"(c[29][1]), "+f"(c[29][2]), "+f"(c[29][3]),
          "+f"(c[30][0]), "+f"(c[30][1]), "+f"(c[30][2]), "+f"(c[30][3]), "+f"(c[31][0]), "+f"(c[31][1]), "+f"(c[31][2]), "+f"(c[31][3])
        : "l"(a), "l"(b), "n"(STORED_NK ? 0 : 1));
}

#endif

// Starts the copies of tile `step` of k: first those of (a, b), then those of (a2, b2).
DEVICE void load_step(bf16* a_tile, bf16* b_tile, const bf16* a, const bf16* b, const bf16* a2,
                      const bf16* b2, Corner corner, const GemmShape& shape, u32 step) {
    const u32 steps = (shape.k + BK - 1) / BK;
    const bool extended = step >= steps;
    const u64 k = extended ? shape.k2 : shape.k;
    const u64 at = static_cast<u64>(extended ? step - steps : step) * BK;
    const bf16* left = extended ? a2 : a;
    const bf16* right = extended ? b2 : b;
    load_tile<BM, BK, THREADS>(a_tile, left, corner.row, at, shape.m, k);
#if B_STORED_NK
    load_tile<BN, BK, THREADS>(b_tile, right, corner.column, at, shape.n, k);
#else
    // Blocks of 64 columns, each [64 of k, 64].
#pragma unroll
    for (int block = 0; block < BN / 64; ++block)
        load_tile<BK, 64, THREADS>(b_tile + block * BK * 64, right, at, corner.column + 64 * block, k,
                                   shape.n);
#endif
}

KERNEL(THREADS, 1)
SIGIL_ENTRY(const bf16* a, const bf16* b, const bf16* a2, const bf16* b2, const void* addend,
            void* out, BY_VALUE GemmShape shape) {
    SHARED(unaligned);
    // The swizzle follows the bits of the address: atoms begin on multiples of their size.
    unsigned char* memory = unaligned + (ATOM_BYTES - shared_address(unaligned) % ATOM_BYTES) % ATOM_BYTES;
    bf16* a_tiles = reinterpret_cast<bf16*>(memory);
    bf16* b_tiles = a_tiles + STAGES * A_TILE;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const Corner corner = corner_of(blockIdx.x, shape.m, shape.n);
    const u32 steps = shape.share;

    float sums[BN / 8][4];
#pragma unroll
    for (int j = 0; j < BN / 8; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e) sums[j][e] = 0.0f;

#pragma unroll
    for (u32 stage = 0; stage < 2; ++stage) {
        if (stage < steps)
            load_step(a_tiles + stage * A_TILE, b_tiles + stage * B_TILE, a, b, a2, b2, corner, shape,
                      stage);
        commit_copies();
    }
    for (u32 step = 0; step < steps; ++step) {
        wait_copies<1>();
        publish_copies();
        // This step's tiles have landed, and every warpgroup is done with those of two steps ago.
        __syncthreads();
        const u32 next = step + 2;
        if (next < steps) {
            const u32 stage = next % STAGES;
            load_step(a_tiles + stage * A_TILE, b_tiles + stage * B_TILE, a, b, a2, b2, corner, shape,
                      next);
        }
        commit_copies();
        const u32 stage = step % STAGES;
        const u32 a_tile = shared_address(a_tiles + stage * A_TILE) + warp / 4 * 64 * BK * 2;
        const u32 b_tile = shared_address(b_tiles + stage * B_TILE);
        begin_products();
#pragma unroll
        for (u32 k = 0; k < BK; k += 16) {
            const u64 left = descriptor(a_tile + 2 * k, 16, ATOM_BYTES);
#if B_STORED_NK
            const u64 right = descriptor(b_tile + 2 * k, 16, ATOM_BYTES);
#else
            const u64 right = descriptor(b_tile + 128 * k, BK * 128, ATOM_BYTES);
#endif
            multiply_tiles<B_STORED_NK>(sums, left, right);
        }
        commit_products();
        wait_products<1>();
    }
    wait_products<0>();
    wait_copies<0>();
    __syncthreads();

    // Through shared memory, so that the output is written 16 bytes a thread.
    float* tile = reinterpret_cast<float*>(memory);
#pragma unroll
    for (int j = 0; j < BN / 8; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const int row = 16 * warp + e / 2 * 8 + lane / 4;
            tile[row * PITCH + 8 * j + lane % 4 * 2 + e % 2] = sums[j][e];
        }
    __syncthreads();
    for (int i = threadIdx.x; i < BM * BN / 8; i += THREADS) {
        const int row = i / (BN / 8), column = i % (BN / 8) * 8;
        const u64 r = corner.row + row, c = corner.column + column;
        if (r >= shape.m || c >= shape.n) continue;
        const u64 at = element(r, c, shape.n);
        float values[8];
#pragma unroll
        for (int e = 0; e < 8; ++e) values[e] = shape.alpha * tile[row * PITCH + column + e];
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
#if ADDS
        const Chunk more = *reinterpret_cast<const Chunk*>(static_cast<const bf16*>(addend) + at);
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            values[2 * e] += low_float(more.words[e]);
            values[2 * e + 1] += high_float(more.words[e]);
        }
#endif
        Chunk packed;
#pragma unroll
        for (int e = 0; e < 4; ++e) packed.words[e] = pack(values[2 * e], values[2 * e + 1]);
        *reinterpret_cast<Chunk*>(static_cast<bf16*>(out) + at) = packed;
#endif
    }
}
