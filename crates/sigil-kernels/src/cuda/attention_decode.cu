// Attention of single queries over cached keys and values, bf16, a part of the positions a block: writes
// weighted sums with their largest score and the sum of their weights, which attention_combine.cu joins.
//
// What decides its speed is reading the cache once: a block takes all GROUP query heads that share a key
// head, LANES lanes hold 8 features each of one position, and every such group of lanes follows a stream
// of its own, four positions at a time. Streams are joined in their order, and a part is the same
// positions whatever other queries there are: so are the bits of a result. A part is a page of the cache
// (pages.rs), wherever it lies.
//
// Defined before this text: D (64 or 128), GROUP (query heads of a key head, at most 8).

constexpr int THREADS = 128, LANES = D / 8, STREAMS = THREADS / LANES, DEPTH = 4;
constexpr u32 PART = 128;
constexpr float LOG2_E = 1.4426950408889634f;

struct DecodeShape {
    u32 kv_heads, window;
    float scale;
};

DEVICE float lowest() { return float_of_bits(0xff800000u); }

DEVICE void widen(float (&to)[8], const Chunk& from) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        to[2 * i] = low_float(from.words[i]);
        to[2 * i + 1] = high_float(from.words[i]);
    }
}

// Grid: parts, key heads, queries. `sights` holds for every query the number of positions that it sees and
// then its pages, as many as there are parts. Shared memory: sums [STREAMS, GROUP, D], then the largest
// score and the sum of the weights [STREAMS, GROUP] each.
KERNEL(THREADS, 2)
SIGIL_ENTRY(const bf16* q, const bf16* keys, const bf16* values, const int* sights, float* partial,
            float* facts, BY_VALUE DecodeShape shape) {
    SHARED(memory);
    float* all_sums = reinterpret_cast<float*>(memory);
    float* all_tops = all_sums + STREAMS * GROUP * D;
    float* all_totals = all_tops + STREAMS * GROUP;
    const int lane = threadIdx.x % LANES, stream = threadIdx.x / LANES;
    const u32 part = blockIdx.x, kv_head = blockIdx.y, row = blockIdx.z;
    const u32 heads = shape.kv_heads * GROUP;
    // How far the query sees, and where its parts lie; a part behind its end is not read.
    const int* sight = sights + element(row, 0, 1 + static_cast<u64>(gridDim.x));
    const u32 length = sight[0], page = sight[1 + part];
    const u32 first = length > shape.window ? length - shape.window : 0;
    const u32 begin = part * PART > first ? part * PART : first;
    const u32 end = part * PART + PART < length ? part * PART + PART : length;
    const u64 width = static_cast<u64>(shape.kv_heads) * D;
    const u64 place = static_cast<u64>(page) * PART;
    const u64 column = static_cast<u64>(kv_head) * D + 8 * lane;
    const float scale = shape.scale * LOG2_E;

    float query[GROUP][8], sums[GROUP][8], top[GROUP], total[GROUP];
#pragma unroll
    for (int g = 0; g < GROUP; ++g) {
        const u64 at = element(row, (kv_head * GROUP + g) * D + 8 * lane, static_cast<u64>(heads) * D);
        widen(query[g], *reinterpret_cast<const Chunk*>(q + at));
        top[g] = lowest();
        total[g] = 0.0f;
#pragma unroll
        for (int i = 0; i < 8; ++i) sums[g][i] = 0.0f;
    }

    for (u32 base = begin; base < end; base += DEPTH * STREAMS) {
        Chunk key[DEPTH], value[DEPTH];
#pragma unroll
        for (int j = 0; j < DEPTH; ++j) {
            const u32 position = base + j * STREAMS + stream;
            key[j] = value[j] = Chunk{{0, 0, 0, 0}};
            if (position < end) {
                const u64 at = element(place + (position - part * PART), column, width);
                key[j] = *reinterpret_cast<const Chunk*>(keys + at);
                value[j] = *reinterpret_cast<const Chunk*>(values + at);
            }
        }
        float scores[DEPTH][GROUP];
#pragma unroll
        for (int j = 0; j < DEPTH; ++j) {
            float features[8];
            widen(features, key[j]);
            const bool seen = base + j * STREAMS + stream < end;
#pragma unroll
            for (int g = 0; g < GROUP; ++g) {
                float score = 0.0f;
#pragma unroll
                for (int i = 0; i < 8; ++i) score += query[g][i] * features[i];
#pragma unroll
                for (int mask = 1; mask < LANES; mask *= 2) score += exchange(score, mask);
                scores[j][g] = seen ? score * scale : lowest();
            }
        }
#pragma unroll
        for (int g = 0; g < GROUP; ++g) {
            float highest = top[g];
#pragma unroll
            for (int j = 0; j < DEPTH; ++j) highest = fmaxf(highest, scores[j][g]);
            // A stream that has seen nothing yet keeps weights of zero instead of NaN.
            const float reference = highest == lowest() ? 0.0f : highest;
            const float shrink = exp2_fast(top[g] - reference);
            top[g] = highest;
            total[g] *= shrink;
#pragma unroll
            for (int i = 0; i < 8; ++i) sums[g][i] *= shrink;
#pragma unroll
            for (int j = 0; j < DEPTH; ++j) {
                scores[j][g] = exp2_fast(scores[j][g] - reference);
                total[g] += scores[j][g];
            }
        }
#pragma unroll
        for (int j = 0; j < DEPTH; ++j) {
            float features[8];
            widen(features, value[j]);
#pragma unroll
            for (int g = 0; g < GROUP; ++g)
#pragma unroll
                for (int i = 0; i < 8; ++i) sums[g][i] += scores[j][g] * features[i];
        }
    }

#pragma unroll
    for (int g = 0; g < GROUP; ++g) {
#pragma unroll
        for (int i = 0; i < 8; ++i) all_sums[(stream * GROUP + g) * D + 8 * lane + i] = sums[g][i];
        if (lane == 0) {
            all_tops[stream * GROUP + g] = top[g];
            all_totals[stream * GROUP + g] = total[g];
        }
    }
    __syncthreads();
    for (int at = threadIdx.x; at < GROUP * D; at += THREADS) {
        const int g = at / D, feature = at % D;
        float highest = lowest();
        for (int s = 0; s < STREAMS; ++s) highest = fmaxf(highest, all_tops[s * GROUP + g]);
        const float reference = highest == lowest() ? 0.0f : highest;
        float sum = 0.0f, weight = 0.0f;
        for (int s = 0; s < STREAMS; ++s) {
            const float factor = exp2_fast(all_tops[s * GROUP + g] - reference);
            sum += factor * all_sums[(s * GROUP + g) * D + feature];
            weight += factor * all_totals[s * GROUP + g];
        }
        const u64 to = element(element(row, kv_head * GROUP + g, heads), part, gridDim.x);
        partial[to * D + feature] = sum;
        if (feature == 0) {
            facts[2 * to] = highest;
            facts[2 * to + 1] = weight;
        }
    }
}
