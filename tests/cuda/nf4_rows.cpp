// One configuration of nf4_rows.cu against products in f64 with the decoded weights.
#include "emulator.h"
#include "check.h"
#include KERNEL_TEXT

#if OUT_F32
using Out = float;
#else
using Out = uint16_t;
#endif
constexpr u32 GROUP = 6;

// A weight [n, k], and where its product goes.
struct Given {
    u32 n, k, tokens;
    float offset;
    Buffer<float> packed_bits, codes_bits, absmax, levels;
    Buffer<Out> addend, out;
    u32 *packed, *codes;

    Given(u32 n, u32 k, u32 tokens, float offset)
        : n(n), k(k), tokens(tokens), offset(offset), packed_bits(size_t(n) * k / 8),
          codes_bits((blocks() + 3) / 4),
          absmax(NESTED ? (blocks() + GROUP - 1) / GROUP : blocks()), levels(256),
          addend(size_t(tokens) * n), out(size_t(tokens) * n),
          packed(reinterpret_cast<u32*>(packed_bits.data)),
          codes(reinterpret_cast<u32*>(codes_bits.data)) {
        randomize(absmax);
        randomize(levels);
        randomize(addend);
        auto word = [] { return static_cast<u32>((random_number() + 1.0f) * 0x7fff0000); };
        for (size_t i = 0; i < packed_bits.length; ++i) packed[i] = word() ^ word() >> 13;
        for (size_t i = 0; i < codes_bits.length; ++i) codes[i] = word() ^ word() >> 11;
    }

    size_t blocks() const { return size_t(n) * k / BLOCK; }

    std::vector<double> product(Buffer<uint16_t>& x, const float (&code)[16]) {
        std::vector<double> wanted(size_t(tokens) * n);
        for (u32 row = 0; row < n; ++row)
            for (u32 i = 0; i < k; ++i) {
                const size_t place = size_t(row) * k + i, block = place / BLOCK;
                const unsigned char byte = reinterpret_cast<unsigned char*>(packed)[place / 2];
                const float level = code[place % 2 == 0 ? byte >> 4 : byte & 15];
                float scale = absmax[block];
                if (NESTED)
                    scale = levels[reinterpret_cast<unsigned char*>(codes)[block]] *
                                absmax[block / GROUP] + offset;
                const double weight =
                    emulator::float_of_bf16(emulator::bf16_of_float(level * scale));
                for (u32 token = 0; token < tokens; ++token)
                    wanted[size_t(token) * n + row] += weight * at(x, size_t(token) * k + i);
            }
        if (ADDS)
            for (size_t i = 0; i < wanted.size(); ++i) wanted[i] += at(addend, i);
        return wanted;
    }
};

#define ARGUMENTS(i)                                                                            \
    weights[i].packed, weights[i].codes, weights[i].absmax.data, weights[i].levels.data,        \
        weights[i].addend.data, weights[i].out.data,

// Weights of these heights; of a launch for fewer the first.
static void run(u32 tokens, std::vector<u32> heights, u32 k) {
    Buffer<uint16_t> x(size_t(tokens) * k);
    randomize(x);
    RowsShape shape = {};
    shape.tokens = tokens, shape.k = k, shape.group = GROUP;
    for (float& level : shape.levels) level = random_number();
    std::vector<Given> weights;
    u32 grid = 0;
    for (u32 m = 0; m < MATRICES; ++m) {
        weights.emplace_back(heights[m], k, tokens, 0.25f * (m + 1));
        shape.n[m] = heights[m];
        shape.offset[m] = weights[m].offset;
        grid += (heights[m] + ROWS - 1) / ROWS;
    }
    emulator::launch({grid, 1, 1}, THREADS, SHARED_BYTES,
                     [&] { SIGIL_ENTRY(x.data, EACH_MATRIX(ARGUMENTS) shape); });
    for (Given& weight : weights)
        compare("nf4 rows " + std::to_string(tokens) + "x" + std::to_string(weight.n) + "x" +
                    std::to_string(k),
                weight.out, weight.product(x, shape.levels), sizeof(Out) == 2 ? 4e-3 : 1e-5);
}

int main() {
    run(1, {ROWS, 1, 2 * ROWS}, 128);
    run(TOKENS, {ROWS + 5, ROWS, 3}, 64);
    // More steps than warps, a last one of half the features, tokens that are missing.
    run(TOKENS - 3, {2 * ROWS + 16, 5, ROWS}, 128 * (WARPS + 2) + 64);
    return failures != 0;
}
