// Inputs, a reference in f64, and comparisons for the programs beside this file.
#pragma once

#include <string>

// 16-byte aligned bf16 or float buffers, as a device's allocator gives them.
template <class T>
struct Buffer {
    std::vector<T> space;
    T* data;
    size_t length;
    explicit Buffer(size_t length) : space(length + 16), length(length) {
        auto address = reinterpret_cast<uintptr_t>(space.data());
        data = reinterpret_cast<T*>((address + 15) / 16 * 16);
        // What is not written stays NaN.
        std::memset(static_cast<void*>(data), 0xff, length * sizeof(T));
    }
    T& operator[](size_t i) { return data[i]; }
};

static uint64_t random_state = 1;

// Uniform in (-1, 1).
static float random_number() {
    uint64_t z = (random_state += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    z ^= z >> 31;
    return static_cast<float>(z >> 40) / (1 << 23) - 1.0f;
}

static void randomize(Buffer<uint16_t>& buffer) {
    for (size_t i = 0; i < buffer.length; ++i)
        buffer[i] = static_cast<uint16_t>(emulator::bf16_of_float(random_number()));
}

static void randomize(Buffer<float>& buffer) {
    for (size_t i = 0; i < buffer.length; ++i) buffer[i] = random_number();
}

static double at(Buffer<uint16_t>& buffer, size_t i) { return emulator::float_of_bf16(buffer[i]); }
static double at(Buffer<float>& buffer, size_t i) { return buffer[i]; }

static int failures = 0;

// |actual - wanted| <= tolerance * the largest wanted, where a NaN fails. Inputs are of size one, so
// where everything cancels to zero rounding errors do not.
template <class T>
static void compare(const std::string& what, Buffer<T>& actual, const std::vector<double>& wanted,
                    double tolerance) {
    double worst = 0.0, largest = 1e-3;
    for (double x : wanted) largest = std::max(largest, std::fabs(x));
    for (size_t i = 0; i < wanted.size(); ++i) {
        const double error = std::fabs(at(actual, i) - wanted[i]) / largest;
        if (!(error <= tolerance)) {
            std::printf("FAILED %s: element %zu is %g instead of %g\n", what.c_str(), i,
                        at(actual, i), wanted[i]);
            ++failures;
            return;
        }
        worst = std::max(worst, error);
    }
    std::printf("ok %s: worst error %.1e of the largest element\n", what.c_str(), worst);
}
