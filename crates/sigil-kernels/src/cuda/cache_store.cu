// Copies new rows of keys and values to their places in a cache, 16 bytes a thread.
//
// Nothing is defined before this text.

constexpr int THREADS = 256;

struct StoreShape {
    u32 rows, chunks;
};

KERNEL(THREADS, 4)
SIGIL_ENTRY(const bf16* k, const bf16* v, const int* places, bf16* keys, bf16* values,
            BY_VALUE StoreShape shape) {
    const u64 at = static_cast<u64>(blockIdx.x) * THREADS + threadIdx.x;
    if (at >= static_cast<u64>(shape.rows) * shape.chunks) return;
    const u64 row = at / shape.chunks, chunk = at % shape.chunks;
    const u64 to = element(places[row], chunk, shape.chunks);
    reinterpret_cast<Chunk*>(keys)[to] = reinterpret_cast<const Chunk*>(k)[at];
    reinterpret_cast<Chunk*>(values)[to] = reinterpret_cast<const Chunk*>(v)[at];
}
