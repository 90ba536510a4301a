// packed, absmax = a matrix cut into blocks of 64 numbers, row by row: the largest magnitude of each and a
// code of 4 bits for every number. The codes are those of bitsandbytes on a CPU (functional.py,
// quantize_4bit), bit for bit: the reciprocal of the magnitude once, a product each, and a count of the
// midpoints below it. A last block that is not full divides instead.
//
// Eight threads share a block, so a thread makes one word. CubeCL compiles with fast arithmetic, which
// takes subnormal numbers for zero, while an empty block is divided by one: products and quotients are
// exact ones, and numbers are compared as integers, which order as floats do once negative ones are
// turned over. A block that holds a not-a-number or an infinity has that as its magnitude.
//
// Grid: a block of threads for THREADS / 8 blocks of numbers.
//
// Defined before this text: INPUT (0 bf16, 1 f16, 2 f32).

constexpr int THREADS = 256;
constexpr u32 WORD = 8, BLOCK = 64, SHARING = BLOCK / WORD;
// 1e-38, which is subnormal.
constexpr u32 LEAST = 0x006ce3ee;

struct QuantizeShape {
    u32 elements_low, elements_high;
    // Midpoints between neighbouring values, as `ordered` gives them, and the codes in ascending order.
    int midpoints[15];
    u32 order[16];
};

DEVICE int ordered(u32 bits) {
    return static_cast<int>(bits & 0x80000000u ? bits ^ 0x7fffffffu : bits);
}

#if INPUT == 1
DEVICE float float_of_half(u32 half) {
    const u32 sign = (half & 0x8000u) << 16, magnitude = half & 0x7fffu;
    // Subnormal halves are normal floats.
    if (magnitude < 0x0400u)
        return float_of_bits(sign | bits_of_float(static_cast<float>(magnitude) * 0x1p-24f));
    if (magnitude >= 0x7c00u) return float_of_bits(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
    return float_of_bits(sign | ((magnitude << 13) + (112u << 23)));
}
#endif

DEVICE float number(const void* numbers, u64 at) {
#if INPUT == 2
    return static_cast<const float*>(numbers)[at];
#elif INPUT == 1
    return float_of_half(static_cast<const bf16*>(numbers)[at]);
#else
    return low_float(static_cast<const bf16*>(numbers)[at]);
#endif
}

KERNEL(THREADS, 4)
SIGIL_ENTRY(const void* numbers, u32* packed, float* absmax, BY_VALUE QuantizeShape shape) {
    const u64 elements = static_cast<u64>(shape.elements_high) << 32 | shape.elements_low;
    const u64 word = static_cast<u64>(blockIdx.x) * THREADS + threadIdx.x;
    const u64 block = word / SHARING, first = word * WORD;
    float own[WORD];
    u32 largest = 0;
#pragma unroll
    for (u32 e = 0; e < WORD; ++e) {
        own[e] = first + e < elements ? number(numbers, first + e) : 0.0f;
        const u32 magnitude = bits_of_float(own[e]) & 0x7fffffffu;
        largest = magnitude > largest ? magnitude : largest;
    }
#pragma unroll
    for (int other = 1; other < static_cast<int>(SHARING); other *= 2) {
        const u32 theirs = bits_of_float(exchange(float_of_bits(largest), other));
        largest = theirs > largest ? theirs : largest;
    }
    if (first >= elements) return;
    const bool full = elements - block * BLOCK >= BLOCK;
    const float divisor = float_of_bits(largest > LEAST ? largest : LEAST);
    const float inverse = exact_quotient(1.0f, divisor);
    u32 codes = 0;
#pragma unroll
    for (u32 e = 0; e < WORD; ++e) {
        // A byte that is half used holds the code of zero in its other half; what follows is zero.
        if (first + e > elements || (first + e == elements && e % 2 == 0)) continue;
        const float scaled =
            full ? exact_product(own[e], inverse) : exact_quotient(own[e], divisor);
        const int place = ordered(bits_of_float(scaled));
        u32 below = 0;
#pragma unroll
        for (int m = 0; m < 15; ++m) below += place > shape.midpoints[m];
        u32 code = shape.order[0];
#pragma unroll
        for (u32 c = 1; c < 16; ++c) code = below == c ? shape.order[c] : code;
        codes |= code << (8 * (e / 2) + (e % 2 == 0 ? 4 : 0));
    }
    packed[word] = codes;
    // bitsandbytes' quotient of a last block is by what is then its scale.
    if (word % SHARING == 0) absmax[block] = full ? float_of_bits(largest) : divisor;
}
