// Joins the parts of attention_decode.cu in their order; a part without positions adds nothing.
//
// Defined before this text: D (features of a head, the threads of a block).

constexpr int THREADS = D;

struct CombineShape {
    u32 heads, parts;
};

// Grid: heads, queries.
KERNEL(THREADS, 4)
SIGIL_ENTRY(const float* partial, const float* facts, bf16* out, BY_VALUE CombineShape shape) {
    const u64 place = element(blockIdx.y, blockIdx.x, shape.heads);
    const u64 first = place * shape.parts;
    float highest = float_of_bits(0xff800000u);
    for (u32 part = 0; part < shape.parts; ++part)
        highest = fmaxf(highest, facts[2 * (first + part)]);
    float sum = 0.0f, weight = 0.0f;
    for (u32 part = 0; part < shape.parts; ++part) {
        const float factor = exp2_fast(facts[2 * (first + part)] - highest);
        sum += factor * partial[(first + part) * D + threadIdx.x];
        weight += factor * facts[2 * (first + part) + 1];
    }
    out[place * D + threadIdx.x] = static_cast<bf16>(pack(sum / weight, 0.0f));
}
