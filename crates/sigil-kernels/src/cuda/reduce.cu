// out = alpha * (partial sums, added in the order of their shares) (+ addend): ends a product whose
// sum over k was shared among blocks. The order is fixed, so a step repeats bit for bit.
//
// Defined before this text: OUT_F32, ADDS.

constexpr int THREADS = 256;

struct ReduceShape {
    u64 elements;
    u32 shares;
    float alpha;
};

KERNEL(THREADS, 1)
SIGIL_ENTRY(const float* partial, const void* addend, void* out, BY_VALUE ReduceShape shape) {
    const u64 at = (static_cast<u64>(blockIdx.x) * THREADS + threadIdx.x) * 2;
    if (at >= shape.elements) return;
    float low = 0.0f, high = 0.0f;
    for (u32 share = 0; share < shape.shares; ++share) {
        low += partial[share * shape.elements + at];
        high += partial[share * shape.elements + at + 1];
    }
    low *= shape.alpha;
    high *= shape.alpha;
#if OUT_F32
    float* target = static_cast<float*>(out) + at;
#if ADDS
    low += static_cast<const float*>(addend)[at];
    high += static_cast<const float*>(addend)[at + 1];
#endif
    target[0] = low;
    target[1] = high;
#else
#if ADDS
    const u32 more = *reinterpret_cast<const u32*>(static_cast<const bf16*>(addend) + at);
    low += low_float(more);
    high += high_float(more);
#endif
    *reinterpret_cast<u32*>(static_cast<bf16*>(out) + at) = pack(low, high);
#endif
}
