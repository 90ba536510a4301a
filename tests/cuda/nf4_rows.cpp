// One configuration of nf4_rows.cu against a product in f64 with the decoded weights.
#include "emulator.h"
#include "check.h"
#include KERNEL_TEXT

static void run(u32 tokens, u32 n, u32 k) {
#if OUT_F32
    using Out = float;
#else
    using Out = uint16_t;
#endif
    const size_t blocks = size_t(n) * k / BLOCK;
    const u32 group = 6;
    Buffer<uint16_t> x(size_t(tokens) * k);
    Buffer<float> packed_bits(size_t(n) * k / 8), codes_bits((blocks + 3) / 4);
    Buffer<float> absmax(NESTED ? (blocks + group - 1) / group : blocks), scale_levels(256);
    Buffer<Out> addend(size_t(tokens) * n), out(size_t(tokens) * n);
    randomize(x);
    randomize(absmax);
    randomize(scale_levels);
    randomize(addend);
    u32* packed = reinterpret_cast<u32*>(packed_bits.data);
    u32* codes = reinterpret_cast<u32*>(codes_bits.data);
    auto word = [] { return static_cast<u32>((random_number() + 1.0f) * 0x7fff0000); };
    for (size_t i = 0; i < packed_bits.length; ++i) packed[i] = word() ^ word() >> 13;
    for (size_t i = 0; i < codes_bits.length; ++i) codes[i] = word() ^ word() >> 11;
    RowsShape shape = {tokens, n, k, group, 0.25f, {}};
    for (float& level : shape.levels) level = random_number();
    emulator::launch({(n + ROWS - 1) / ROWS, 1, 1}, THREADS, SHARED_BYTES, [&] {
        SIGIL_ENTRY(x.data, packed, codes, absmax.data, scale_levels.data, addend.data, out.data,
                    shape);
    });
    std::vector<double> wanted(size_t(tokens) * n);
    for (u32 row = 0; row < n; ++row)
        for (u32 i = 0; i < k; ++i) {
            const size_t place = size_t(row) * k + i, block = place / BLOCK;
            const unsigned char byte = reinterpret_cast<unsigned char*>(packed)[place / 2];
            const float level = shape.levels[place % 2 == 0 ? byte >> 4 : byte & 15];
            float scale = absmax[block];
            if (NESTED)
                scale = scale_levels[reinterpret_cast<unsigned char*>(codes)[block]] *
                            absmax[block / group] + shape.offset;
            const double weight = emulator::float_of_bf16(emulator::bf16_of_float(level * scale));
            for (u32 token = 0; token < tokens; ++token)
                wanted[size_t(token) * n + row] += weight * at(x, size_t(token) * k + i);
        }
    if (ADDS)
        for (size_t i = 0; i < wanted.size(); ++i) wanted[i] += at(addend, i);
    compare("nf4 rows " + std::to_string(tokens) + "x" + std::to_string(n) + "x" + std::to_string(k),
            out, wanted, sizeof(Out) == 2 ? 4e-3 : 1e-5);
}

int main() {
    run(1, ROWS, 128);
    run(TOKENS, ROWS + 5, 64);
    // More steps than warps, a last one of half the features, tokens that are missing.
    run(TOKENS - 3, 2 * ROWS + 16, 128 * (WARPS + 2) + 64);
    return failures != 0;
}
