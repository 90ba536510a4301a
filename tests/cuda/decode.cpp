// Kernels over a cache (PASS 0: parts of attention, 1: their combination, 2: storing) against f64.
#include "emulator.h"
#include "check.h"
#include KERNEL_TEXT

#if PASS == 0

// Queries at the ends of sequences of the given lengths, whose pages lie anywhere in the cache; the second
// of two queries of the same sequence (`pairs`) sees one position more.
static void run(const std::vector<u32>& lengths, u32 kv_heads, u32 window, bool pairs = false) {
    const u32 rows = lengths.size(), heads = kv_heads * GROUP;
    u32 longest = 0, page_count = 1;
    for (u32 length : lengths) {
        longest = std::max(longest, length);
        page_count += (length + PART - 1) / PART;
    }
    // One part more than needed: it is empty.
    const u32 parts = (longest + PART - 1) / PART + 1;
    const size_t wide = size_t(heads) * D, narrow = size_t(kv_heads) * D;
    Buffer<uint16_t> q(rows * wide), keys(page_count * PART * narrow), values(page_count * PART * narrow);
    randomize(q);
    // From the last page to the first, every second one first; no page is the number 0.
    std::vector<u32> free;
    for (u32 parity = 0; parity < 2; ++parity)
        for (u32 page = 1; page < page_count; ++page)
            if (page % 2 == parity) free.push_back(page);
    std::vector<std::vector<u32>> tables(rows);
    std::vector<int> sights;
    for (u32 row = 0; row < rows; ++row) {
        if (pairs && row % 2 == 1) tables[row] = tables[row - 1];
        while (tables[row].size() * PART < lengths[row]) {
            tables[row].push_back(free.back());
            free.pop_back();
        }
        sights.push_back(lengths[row]);
        // A part behind the end names a page that is not this sequence's, or none.
        for (u32 part = 0; part < parts; ++part)
            sights.push_back(part < tables[row].size() ? tables[row][part] : 0);
        // What lies beyond a sequence stays NaN, as does the page of the number 0.
        for (u32 position = 0; position < lengths[row]; ++position)
            for (size_t i = 0; i < narrow; ++i) {
                const size_t place = (tables[row][position / PART] * PART + position % PART) * narrow + i;
                keys[place] = static_cast<uint16_t>(emulator::bf16_of_float(random_number()));
                values[place] = static_cast<uint16_t>(emulator::bf16_of_float(random_number()));
            }
    }
    const DecodeShape shape = {kv_heads, window, 3.0f / std::sqrt(float(D))};
    Buffer<float> partial(size_t(rows) * heads * parts * D), facts(size_t(rows) * heads * parts * 2);
    emulator::launch({parts, kv_heads, rows}, THREADS, SHARED_BYTES, [&] {
        SIGIL_ENTRY(q.data, keys.data, values.data, sights.data(), partial.data, facts.data,
                    shape);
    });
    std::vector<double> wanted(rows * wide);
    Buffer<float> actual(rows * wide);
    for (u32 row = 0; row < rows; ++row)
        for (u32 head = 0; head < heads; ++head) {
            const u32 first = lengths[row] > window ? lengths[row] - window : 0;
            const size_t query = row * wide + size_t(head) * D;
            std::vector<double> weights;
            double top = -1e30, total = 0.0;
            auto place = [&](u32 position) {
                const size_t page = tables[row][position / PART];
                return (page * PART + position % PART) * narrow + head / GROUP * D;
            };
            for (u32 j = first; j < lengths[row]; ++j) {
                double score = 0.0;
                for (u32 d = 0; d < D; ++d) score += at(q, query + d) * at(keys, place(j) + d);
                weights.push_back(score * shape.scale);
                top = std::max(top, weights.back());
            }
            for (double& weight : weights) total += weight = std::exp(weight - top);
            for (u32 j = first; j < lengths[row]; ++j)
                for (u32 d = 0; d < D; ++d)
                    wanted[query + d] += weights[j - first] / total * at(values, place(j) + d);
            double highest = -1e30, weight = 0.0;
            const size_t parts_at = (size_t(row) * heads + head) * parts;
            for (u32 p = 0; p < parts; ++p)
                highest = std::max(highest, double(facts[2 * (parts_at + p)]));
            for (u32 p = 0; p < parts; ++p)
                weight += std::exp2(facts[2 * (parts_at + p)] - highest) * facts[2 * (parts_at + p) + 1];
            for (u32 d = 0; d < D; ++d) {
                double sum = 0.0;
                for (u32 p = 0; p < parts; ++p)
                    sum += std::exp2(facts[2 * (parts_at + p)] - highest) * partial[(parts_at + p) * D + d];
                actual[query + d] = static_cast<float>(sum / weight);
            }
        }
    compare("decode, " + std::to_string(rows) + " rows, " + std::to_string(heads) + "/" +
                std::to_string(kv_heads) + " heads, window " + std::to_string(window),
            actual, wanted, 1e-5);
}

int main() {
    run({1}, 1, 1u << 30);
    run({5, 300, 128, 129}, 2, 1u << 30);
    run({200, 33}, 1, 70);
    // A window inside one page, one that begins with a page, and one over a page's end.
    run({140, 385, 384, 250}, 1, 129);
    run({255, 256, 128, 129}, 1, 1u << 30, true);
    return failures != 0;
}

#elif PASS == 1

int main() {
    const u32 rows = 3, heads = 5, parts = 4;
    Buffer<float> partial(rows * heads * parts * D), facts(rows * heads * parts * 2);
    randomize(partial);
    randomize(facts);
    for (u32 i = 0; i < rows * heads * parts; ++i) {
        facts[2 * i + 1] += 2.0f;
        // Every place but the first has parts without positions.
        if (i >= parts && i % parts >= 2) {
            facts[2 * i] = -INFINITY;
            facts[2 * i + 1] = 0.0f;
            for (u32 d = 0; d < D; ++d) partial[i * D + d] = 0.0f;
        }
    }
    Buffer<uint16_t> out(rows * heads * D);
    emulator::launch({heads, rows, 1}, THREADS, SHARED_BYTES, [&] {
        SIGIL_ENTRY(partial.data, facts.data, out.data, CombineShape{heads, parts});
    });
    std::vector<double> wanted;
    for (u32 place = 0; place < rows * heads; ++place)
        for (u32 d = 0; d < D; ++d) {
            double sum = 0.0, weight = 0.0;
            for (u32 p = place * parts; p < (place + 1) * parts; ++p) {
                sum += std::exp2(double(facts[2 * p])) * partial[p * D + d];
                weight += std::exp2(double(facts[2 * p])) * facts[2 * p + 1];
            }
            wanted.push_back(sum / weight);
        }
    compare("combine", out, wanted, 4e-3);
    return failures != 0;
}

#else

int main() {
    const u32 rows = 5, chunks = 24, width = 8 * chunks;
    const std::vector<int> places = {7, 0, 3, 9, 4};
    Buffer<uint16_t> k(rows * width), v(rows * width), keys(10 * width), values(10 * width);
    randomize(k);
    randomize(v);
    emulator::launch({(rows * chunks + THREADS - 1) / THREADS, 1, 1}, THREADS, SHARED_BYTES, [&] {
        SIGIL_ENTRY(k.data, v.data, places.data(), keys.data, values.data, StoreShape{rows, chunks});
    });
    for (u32 place = 0; place < 10; ++place)
        for (u32 i = 0; i < width; ++i) {
            u32 row = 0;
            while (row < rows && places[row] != int(place)) ++row;
            const bool stored = row < rows;
            // What nobody stored is as it was.
            const u32 key = stored ? k[row * width + i] : 0xffff;
            const u32 value = stored ? v[row * width + i] : 0xffff;
            if (keys[place * width + i] != key || values[place * width + i] != value) {
                std::printf("FAILED store: row %u, element %u\n", place, i);
                return 1;
            }
        }
    std::printf("ok store\n");
    return 0;
}

#endif
