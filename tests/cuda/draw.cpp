// draw.cu against sorting: which words are kept, and which of them a number draws.
#include "emulator.h"
#include "check.h"

#include <algorithm>
#include <numeric>
#include KERNEL_TEXT

struct How {
    float temperature;
    u32 top_k;
    float top_p, min_p;
};

static DrawShape shape_of(u32 columns, const How& how) {
    const u64 share = static_cast<u64>(std::ldexp(double(how.top_p), 64));
    const u64 top_p = how.top_p < 1.0f ? std::max<u64>(share, 1) : 0;
    const u64 least = static_cast<u64>(std::ceil(std::ldexp(double(how.min_p), 40)));
    return DrawShape{columns,
                     1.4426950408889634f / how.temperature,
                     how.top_k,
                     {u32(top_p), u32(top_p >> 32)},
                     {u32(least), u32(least >> 32)}};
}

static u64 share_of(double number) { return static_cast<u64>(std::ldexp(number, 64)); }

// The tokens of `numbers`, all from the same logits.
static std::vector<int> drawn(const std::vector<float>& logits, const How& how,
                              const std::vector<double>& numbers) {
    const u32 rows = numbers.size(), columns = logits.size();
    Buffer<float> all(size_t(rows) * columns);
    std::vector<u32> shares;
    for (u32 row = 0; row < rows; ++row) {
        std::copy(logits.begin(), logits.end(), all.data + size_t(row) * columns);
        const u64 share = share_of(numbers[row]);
        shares.push_back(u32(share));
        shares.push_back(u32(share >> 32));
    }
    std::vector<int> out(rows, -1);
    static_assert(sizeof(Board) == SHARED_BYTES, "what the launch asks for");
    emulator::launch({rows, 1, 1}, THREADS, SHARED_BYTES,
                     [&] { SIGIL_ENTRY(all.data, shares.data(), out.data(), shape_of(columns, how)); });
    return out;
}

// The columns that may be drawn with their weights in units, in the order of the columns.
static std::vector<std::pair<int, u64>> kept(const std::vector<float>& logits, const How& how) {
    const DrawShape shape = shape_of(logits.size(), how);
    std::vector<int> order;
    for (size_t i = 0; i < logits.size(); ++i)
        if (logits[i] == logits[i]) order.push_back(i);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return logits[a] > logits[b]; });
    const float top = logits[order[0]];
    auto weight = [&](int at) {
        const float octaves = (top - logits[at]) * shape.factor;
        return static_cast<u64>(std::llround(std::ldexp(double(std::exp2(-octaves)), 40)));
    };
    if (how.top_k > 0 && how.top_k < order.size()) {
        const float last = logits[order[how.top_k - 1]];
        while (logits[order.back()] < last) order.pop_back();
    }
    unsigned __int128 sum = 0, mass = 0;
    for (int at : order) sum += weight(at);
    const u64 top_p = joined(shape.top_p), least = joined(shape.least_weight);
    size_t count = 0;
    while (count < order.size() && (count == 0 || top_p == 0 || (mass << 64) < sum * top_p))
        mass += weight(order[count++]);
    order.resize(count);
    std::sort(order.begin(), order.end());
    std::vector<std::pair<int, u64>> found;
    for (int at : order)
        if (weight(at) > 0 && weight(at) >= least) found.push_back({at, weight(at)});
    return found;
}

static void fail(const std::string& what, double number, int found, int wanted) {
    std::printf("FAILED %s: %g draws %d instead of %d\n", what.c_str(), number, found, wanted);
    ++failures;
}

static void check(const std::string& what, const std::vector<float>& logits, const How& how) {
    const std::vector<double> numbers = {0.0, 0.013, 0.31, 0.5, 0.77, 1.0 - 0x1p-53};
    const auto words = kept(logits, how);
    u64 all = 0;
    for (auto& word : words) all += word.second;
    const auto found = drawn(logits, how, numbers);
    for (size_t i = 0; i < numbers.size(); ++i) {
        u64 left = high_product(all, share_of(numbers[i]));
        size_t at = 0;
        while (left >= words[at].second) left -= words[at++].second;
        if (found[i] != words[at].first) return fail(what, numbers[i], found[i], words[at].first);
    }
    std::printf("ok %s: %zu of %zu words kept\n", what.c_str(), words.size(), logits.size());
}

// Numbers spread evenly over [0, 1) draw every word as often as its probability says, up to one.
static void frequencies(const std::vector<float>& logits, float temperature) {
    const int count = 96;
    std::vector<double> numbers, weights;
    for (int i = 0; i < count; ++i) numbers.push_back((i + 0.5) / count);
    double all = 0.0;
    for (float logit : logits) weights.push_back(std::exp(double(logit) / temperature));
    for (double weight : weights) all += weight;
    std::vector<int> drawn_count(logits.size());
    for (int token : drawn(logits, {temperature, 0, 1.0f, 0.0f}, numbers)) ++drawn_count.at(token);
    for (size_t i = 0; i < logits.size(); ++i) {
        const double wanted = count * weights[i] / all;
        if (std::fabs(drawn_count[i] - wanted) > 1.0 + 1e-3) {
            std::printf("FAILED frequencies: word %zu was drawn %d times instead of %g\n", i,
                        drawn_count[i], wanted);
            ++failures;
            return;
        }
    }
    std::printf("ok frequencies at temperature %g\n", temperature);
}

static std::vector<float> spread(u32 columns, float scale) {
    std::vector<float> logits(columns);
    for (float& logit : logits) {
        // Nearly a bell.
        const float sum = random_number() + random_number() + random_number();
        logit = scale * sum;
    }
    return logits;
}

int main() {
    const How settings[] = {
        {1.0f, 0, 1.0f, 0.0f},   {0.7f, 0, 0.9f, 0.0f},    {1.3f, 40, 1.0f, 0.0f},
        {0.9f, 40, 0.95f, 0.01f}, {1.0f, 1, 1.0f, 0.0f},    {1.0f, 100000, 0.5f, 0.0f},
        {1.0f, 0, 1e-30f, 0.0f}, {1.0f, 0, 0.999999f, 0.0f}, {1.0f, 0, 1.0f, 1.0f},
        {1.0f, 0, 1.0f, 0.2f},   {1e-30f, 0, 0.9f, 0.0f},  {1e30f, 7, 0.5f, 0.0f},
    };
    int number = 0;
    for (const How& how : settings) {
        const std::string name = "setting " + std::to_string(number++);
        const std::vector<float> wide = spread(1000, 4.0f);
        check(name, wide, how);
        // Rounded as bf16 is, so that many are equal: the last ones kept are not all of their kind.
        std::vector<float> rounded = spread(777, 1.5f);
        for (float& logit : rounded) logit = float_of_bits(bits_of_float(logit) & 0xfff00000u);
        check(name + ", equal ones", rounded, how);
        check(name + ", all equal", std::vector<float>(300, -2.5f), how);
        std::vector<float> holes = wide;
        for (size_t i = 0; i < holes.size(); i += 3) holes[i] = i % 2 ? NAN : -INFINITY;
        holes[5] = 0.0f;
        holes[7] = -0.0f;
        check(name + ", NaN and minus infinity", holes, how);
        check(name + ", few words", {0.5f, 0.25f, 0.5f}, how);
        check(name + ", one word", {-3.0f}, how);
        check(name + ", zeros of both signs", {-0.0f, 0.0f, -1.0f, -0.0f, 0.0f}, how);
    }
    check("far below", {0.0f, -28.0f, -28.0f, -29.0f, -1e30f, -3.4e38f}, {1.0f, 0, 1.0f, 0.0f});
    check("the largest floats", {3.4e38f, -3.4e38f, 3.4e38f}, {0.5f, 2, 0.9f, 0.0f});

    const float nothing = -INFINITY, more = INFINITY;
    const std::pair<std::vector<float>, int> without[] = {
        {std::vector<float>(300, nothing), 0},
        {std::vector<float>(300, NAN), 0},
        {{1.0f, more, 2.0f, more}, 1},
    };
    for (auto& [logits, wanted] : without) {
        const int found = drawn(logits, {1.0f, 3, 0.9f, 0.1f}, {0.9})[0];
        if (found != wanted) fail("nothing to draw from", 0.9, found, wanted);
    }
    frequencies({0.1f, 1.4f, -0.6f, 0.9f, -3.0f, 1.4f, 0.0f}, 0.8f);
    frequencies(spread(20, 1.0f), 1.5f);
    return failures != 0;
}
