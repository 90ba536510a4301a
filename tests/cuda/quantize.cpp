// quantize.cu: every word and every scale equal those of bitsandbytes' arithmetic on a CPU, bit for bit.
#include <limits>

#include "emulator.h"
#include "check.h"
#include KERNEL_TEXT

// NF4, of functional.py.
static const float LEVELS[16] = {
    -1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f,
    -0.18477343022823334f, -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f,
    0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f,
    0.7229568362236023f, 1.0f};

#if INPUT == 2
typedef float Number;
static float value(Number x) { return x; }
static Number number_of(float x) { return x; }
#elif INPUT == 1
typedef uint16_t Number;
// By the definition of the format.
static float value(Number half) {
    const int exponent = half >> 10 & 31, mantissa = half & 1023;
    const float sign = half & 0x8000 ? -1.0f : 1.0f;
    if (exponent == 31) return mantissa ? std::nanf("") : sign * INFINITY;
    if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), -24);
    return sign * std::ldexp(static_cast<float>(1024 + mantissa), exponent - 25);
}
static Number number_of(float x) {
    // The nearest half from below.
    Number best = 0;
    for (uint32_t bit = 1u << 14; bit; bit >>= 1)
        if (value(best | bit) <= std::fabs(x)) best |= bit;
    return best | (std::signbit(x) ? 0x8000 : 0);
}
#else
typedef uint16_t Number;
static float value(Number x) { return emulator::float_of_bf16(x); }
static Number number_of(float x) { return static_cast<Number>(emulator::bf16_of_float(x)); }
#endif

static uint32_t code_of(float x, const float (&midpoints)[15]) {
    uint32_t below = 0;
    for (float midpoint : midpoints) below += x > midpoint;
    return below;
}

static void run(const std::string& what, std::vector<Number> numbers) {
    QuantizeShape shape = {};
    shape.elements_low = static_cast<u32>(numbers.size());
    float midpoints[15];
    for (int i = 0; i < 15; ++i) {
        midpoints[i] = (LEVELS[i] + LEVELS[i + 1]) / 2;
        shape.midpoints[i] = ordered(bits_of_float(midpoints[i]));
    }
    // Codes that are not their own places.
    for (u32 i = 0; i < 16; ++i) shape.order[i] = i ^ 5;
    const size_t blocks = (numbers.size() + BLOCK - 1) / BLOCK, words = (numbers.size() + 7) / 8;
    // One more of each, which stays as it is.
    std::vector<u32> packed(words + 1, 0xdeadbeef);
    std::vector<float> absmax(blocks + 1, -7.0f);
    const u32 grid = static_cast<u32>((blocks * SHARING + THREADS - 1) / THREADS);
    emulator::launch({grid, 1, 1}, THREADS, SHARED_BYTES,
                     [&] { SIGIL_ENTRY(numbers.data(), packed.data(), absmax.data(), shape); });

    std::vector<unsigned char> bytes(4 * words, 0);
    size_t wrong = 0;
    for (size_t block = 0; block < blocks; ++block) {
        const size_t first = block * BLOCK, end = std::min<size_t>(first + BLOCK, numbers.size());
        float largest = 0.0f;
        bool finite = true;
        for (size_t i = first; i < end; ++i) {
            finite = finite && std::isfinite(value(numbers[i]));
            largest = std::max(largest, std::fabs(value(numbers[i])));
        }
        if (!finite) {
            wrong += std::isfinite(absmax[block]);
            continue;
        }
        const bool full = end - first == BLOCK;
        const float divisor = std::max(largest, 1e-38f), inverse = 1.0f / divisor;
        const float scale = full ? largest : divisor;
        wrong += std::memcmp(&scale, &absmax[block], 4) != 0;
        for (size_t i = first; i < end + end % 2; ++i) {
            const float x = i < end ? value(numbers[i]) : 0.0f;
            const u32 code = code_of(full ? x * inverse : x / divisor, midpoints) ^ 5;
            bytes[i / 2] |= static_cast<unsigned char>(i % 2 ? code : code << 4);
        }
        wrong += std::memcmp(bytes.data() + first / 2, reinterpret_cast<char*>(packed.data()) + first / 2,
                             (end - first + 1) / 2) != 0;
    }
    if (numbers.size() % 8 != 0 && std::isfinite(value(numbers.back()))) {
        wrong += std::memcmp(bytes.data() + 4 * (words - 1), &packed[words - 1], 4) != 0;
    }
    wrong += packed[words] != 0xdeadbeef || absmax[blocks] != -7.0f;
    std::printf("%s %s: %zu blocks, %zu differ\n", wrong ? "FAILED" : "ok", what.c_str(), blocks, wrong);
    failures += wrong != 0;
}

static std::vector<Number> drawn(size_t count) {
    std::vector<Number> numbers(count);
    for (Number& x : numbers) x = number_of(random_number() * random_number());
    return numbers;
}

int main() {
    run("whole blocks", drawn(64 * 37));
    run("more than a grid's row of threads", drawn(64 * 100));
    for (size_t count : {1, 2, 3, 7, 8, 9, 63, 65, 64 * 40 + 31}) run("a last block", drawn(count));
    std::vector<Number> odd = drawn(64 * 8);
    for (int i = 0; i < 64; ++i) {
        odd[i] = number_of(0.0f);
        odd[64 + i] = number_of(-0.0f);
        // Below all normal numbers, and just about there.
        odd[128 + i] = number_of(random_number() * 1e-39f);
        odd[192 + i] = number_of(random_number() * 2e-38f);
        odd[256 + i] = number_of(random_number() * 1e-6f);
    }
    run("nothing, and next to nothing", odd);
    // Numbers on the midpoints and next to them.
    std::vector<Number> ties;
    for (int i = 0; i < 15; ++i) {
        const float midpoint = (LEVELS[i] + LEVELS[i + 1]) / 2;
        for (float x : {std::nextafterf(midpoint, -2.0f), midpoint, std::nextafterf(midpoint, 2.0f)})
            ties.push_back(number_of(x));
    }
    while (ties.size() < 64) ties.push_back(number_of(1.0f));
    run("ties", ties);
    std::vector<Number> empty_end = drawn(64 + 3);
    for (int i = 0; i < 3; ++i) empty_end[64 + i] = number_of(0.0f);
    run("a last block of nothing", empty_end);
#if INPUT == 2
    // Numbers whose code hangs on whether they are multiplied or divided.
    std::vector<Number> torn;
    while (torn.size() < 64 + 40) {
        const size_t first = torn.size();
        const float largest = 1.5f + 0.4f * random_number(), inverse = 1.0f / largest;
        torn.push_back(largest);
        const size_t end = first == 0 ? 64 : 64 + 40;
        for (int tries = 0; torn.size() < end && tries < 100000; ++tries) {
            const int i = tries % 15;
            const float midpoint = (LEVELS[i] + LEVELS[i + 1]) / 2;
            float x = midpoint * largest;
            for (int step = tries / 15 % 9; step < 4; ++step) x = std::nextafterf(x, -2.0f);
            for (int step = tries / 15 % 9; step > 4; --step) x = std::nextafterf(x, 2.0f);
            if ((x * inverse > midpoint) != (x / largest > midpoint)) torn.push_back(x);
        }
        if (torn.size() == first + 1) torn.pop_back();
        else torn.resize(end, 0.0f);
    }
    run("products against quotients", torn);
    run("a last block that is full", std::vector<Number>(torn.begin(), torn.begin() + 64));
#endif
    std::vector<Number> broken = drawn(64 * 4 + 5);
    broken[3] = number_of(INFINITY);
    broken[64 + 9] = static_cast<Number>(INPUT == 2 ? std::nanf("") : 0x7fff);
    broken.back() = number_of(-INFINITY);
    run("infinity and not-a-number", broken);
    return failures != 0;
}
