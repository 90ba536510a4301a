// partial[offset + block] = the sum of x * x over a part of a tensor, for up to TENSORS tensors in one
// launch: the gradient norm. What a thread adds and the order in which a block adds its threads follow
// from the lengths alone, so a step repeats bit for bit; whoever reads the parts adds them in f64.
//
// Grid: for every tensor a block for PART of its elements, in the order of the list.
//
// Defined before this text: TENSORS.

constexpr int THREADS = 256;
constexpr u32 PART = 16384;

struct SquaresShape {
    TensorTable table;
    u32 offset;
};

#define POINTERS(i) const float *x##i,
#define CHOOSE(i) \
    case i:       \
        x = x##i; \
        break;

KERNEL(THREADS, 4)
SIGIL_ENTRY(EACH_TENSOR(POINTERS) float* partial, BY_VALUE SquaresShape shape) {
    SHARED(memory);
    float* sums = reinterpret_cast<float*>(memory);
    const Part part = part_of(shape.table, blockIdx.x, PART);
    const float* x;
    switch (part.tensor) {
        EACH_TENSOR(CHOOSE)
        default: return;
    }
    x += part.begin;
    const bool aligned = on_16_bytes(x);
    // Four sums whether the loads are of four or not: alignment decides nothing about the bits.
    float own[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    const u32 fours = part.count / 4;
#pragma unroll 4
    for (u32 i = threadIdx.x; i < fours; i += THREADS) {
        Floats four;
        if (aligned) {
            four = reinterpret_cast<const Floats*>(x)[i];
        } else {
#pragma unroll
            for (int e = 0; e < 4; ++e) four.values[e] = x[4 * i + e];
        }
#pragma unroll
        for (int e = 0; e < 4; ++e) own[e] += four.values[e] * four.values[e];
    }
    const u32 last = 4 * fours + threadIdx.x;
    if (last < part.count) own[0] += x[last] * x[last];
    sums[threadIdx.x] = (own[0] + own[1]) + (own[2] + own[3]);
    for (u32 half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
    }
    if (threadIdx.x == 0) partial[shape.offset + blockIdx.x] = sums[0];
}
