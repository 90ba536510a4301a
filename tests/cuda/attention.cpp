// One attention kernel (PASS 0: forward, 1: dq, 2: dk and dv) against a plain computation in f64.
#include "emulator.h"
#include "check.h"
#include KERNEL_TEXT

static void run(const std::vector<u32>& lengths, u32 kv_heads, u32 group, u32 window) {
    const u32 heads = kv_heads * group;
    std::vector<int> starts, ends;
    for (u32 length : lengths) {
        const int start = static_cast<int>(starts.size());
        for (u32 i = 0; i < length; ++i) {
            starts.push_back(start);
            ends.push_back(start + static_cast<int>(length));
        }
    }
    const u32 tokens = starts.size();
    if (window == 0 || window > tokens) window = tokens;
    const size_t wide = size_t(heads) * D, narrow = size_t(kv_heads) * D;
    Buffer<uint16_t> q(tokens * wide), k(tokens * narrow), v(tokens * narrow), dout(tokens * wide);
    for (auto* buffer : {&q, &k, &v, &dout}) randomize(*buffer);
    const AttentionShape shape = {tokens, heads, kv_heads, window, 3.0f / std::sqrt(float(D))};

    std::vector<double> out(tokens * wide), sums(size_t(tokens) * heads), dq(tokens * wide),
        dk(tokens * narrow), dv(tokens * narrow);
    Buffer<float> lse(size_t(tokens) * heads), delta(size_t(tokens) * heads);
    for (u32 head = 0; head < heads; ++head)
        for (u32 i = 0; i < tokens; ++i) {
            const size_t query = i * wide + head * D;
            u32 first = starts[i];
            if (i + 1 > window && first < i + 1 - window) first = i + 1 - window;
            std::vector<double> weights;
            double top = -1e30, total = 0.0;
            const size_t kv_column = size_t(head / group) * D;
            for (u32 j = first; j <= i; ++j) {
                double score = 0.0;
                for (u32 d = 0; d < D; ++d) score += at(q, query + d) * at(k, j * narrow + kv_column + d);
                weights.push_back(score * shape.scale);
                top = std::max(top, weights.back());
            }
            for (double& weight : weights) total += weight = std::exp(weight - top);
            sums[size_t(i) * heads + head] = top + std::log(total);
            double shift = 0.0;
            for (u32 j = first; j <= i; ++j) {
                weights[j - first] /= total;
                for (u32 d = 0; d < D; ++d) {
                    const double value = at(v, j * narrow + kv_column + d);
                    out[query + d] += weights[j - first] * value;
                    shift += weights[j - first] * value * at(dout, query + d);
                }
            }
            lse[size_t(i) * heads + head] = static_cast<float>(sums[size_t(i) * heads + head]);
            delta[size_t(i) * heads + head] = static_cast<float>(shift);
            for (u32 j = first; j <= i; ++j) {
                const size_t key = j * narrow + kv_column;
                double slope = 0.0;
                for (u32 d = 0; d < D; ++d) slope += at(dout, query + d) * at(v, key + d);
                slope = weights[j - first] * (slope - shift) * shape.scale;
                for (u32 d = 0; d < D; ++d) {
                    dq[query + d] += slope * at(k, key + d);
                    dk[key + d] += slope * at(q, query + d);
                    dv[key + d] += weights[j - first] * at(dout, query + d);
                }
            }
        }

    const std::string what = std::to_string(tokens) + " tokens, " + std::to_string(heads) + "/" +
                             std::to_string(kv_heads) + " heads, window " + std::to_string(window);
#if PASS == 0
    Buffer<uint16_t> actual(tokens * wide);
    Buffer<float> actual_lse(size_t(tokens) * heads);
    emulator::launch({(tokens + BLOCK_Q - 1) / BLOCK_Q, heads, 1}, THREADS, SHARED_BYTES, [&] {
        SIGIL_ENTRY(q.data, k.data, v.data, starts.data(), actual.data, actual_lse.data, shape);
    });
    compare("attention, " + what, actual, out, 1e-2);
    compare("log-sum-exp, " + what, actual_lse, sums, 1e-5);
#elif PASS == 1
    Buffer<uint16_t> actual(tokens * wide);
    emulator::launch({(tokens + BLOCK_Q - 1) / BLOCK_Q, heads, 1}, THREADS, SHARED_BYTES, [&] {
        SIGIL_ENTRY(q.data, k.data, v.data, dout.data, lse.data, delta.data, starts.data(), actual.data,
                    shape);
    });
    compare("dq, " + what, actual, dq, 1e-2);
#else
    Buffer<uint16_t> actual_dk(tokens * narrow), actual_dv(tokens * narrow);
    emulator::launch({(tokens + BLOCK_K - 1) / BLOCK_K, kv_heads, 1}, THREADS, SHARED_BYTES, [&] {
        SIGIL_ENTRY(q.data, k.data, v.data, dout.data, lse.data, delta.data, starts.data(), ends.data(),
                    actual_dk.data, actual_dv.data, shape);
    });
    compare("dk, " + what, actual_dk, dk, 1e-2);
    compare("dv, " + what, actual_dv, dv, 1e-2);
#endif
}

int main() {
    run({1}, 1, 1, 0);
    run({150, 3, 64, 80}, 1, 2, 0);
    run({128, 128}, 2, 1, 0);
    run({300}, 1, 1, 70);
    run({40, 200}, 1, 3, 33);
    return failures != 0;
}
