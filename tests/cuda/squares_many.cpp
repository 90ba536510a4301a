// squares_many.cu: the sums of squares against f64, the same bits wherever a tensor begins.
#include "emulator.h"
#include "check.h"
#include KERNEL_TEXT

#define ARGUMENTS(i) pointers[i],

// The parts of tensors of these lengths, each `shift` elements behind 16 bytes.
static std::vector<float> run(const std::string& what, const std::vector<u32>& lengths, u32 shift) {
    random_state = 7;
    const u32 offset = 3;
    SquaresShape shape = {};
    shape.offset = offset;
    std::vector<Buffer<float>> buffers;
    const float* pointers[TENSORS];
    std::vector<double> wanted;
    for (u32 i = 0; i < TENSORS; ++i) {
        const bool given = i < lengths.size();
        const u32 length = given ? lengths[i] : 0;
        if (given) {
            // Around the tensor NaN stays, which no sum may take in.
            buffers.emplace_back(shift + length + 4);
            for (u32 e = 0; e < length; ++e) {
                const float x = buffers.back()[shift + e] = random_number();
                if (e % PART == 0) wanted.push_back(0.0);
                wanted.back() += double(x) * x;
            }
        }
        shape.table.ends[i] = static_cast<u32>(wanted.size());
        shape.table.lengths[i] = length;
        pointers[i] = buffers[given ? i : 0].data + shift;
    }
    Buffer<float> partial(offset + wanted.size());
    emulator::launch({static_cast<u32>(wanted.size()), 1, 1}, THREADS, SHARED_BYTES,
                     [&] { SIGIL_ENTRY(EACH_TENSOR(ARGUMENTS) partial.data, shape); });
    Buffer<float> sums(wanted.size());
    std::memcpy(sums.data, partial.data + offset, 4 * wanted.size());
    compare(what, sums, wanted, 1e-6);
    for (u32 i = 0; i < offset; ++i) failures += partial[i] == partial[i];
    return std::vector<float>(sums.data, sums.data + sums.length);
}

int main() {
    run("one element", {1}, 0);
    run("no multiple of four", {4 * THREADS + 3}, 0);
    const std::vector<u32> three = {PART, 7, 2 * PART + 5};
    const std::vector<float> sums = run("three tensors", three, 0);
    const std::vector<float> same = run("three tensors that begin between chunks", three, 1);
    if (std::memcmp(sums.data(), same.data(), 4 * sums.size()) != 0) {
        std::printf("FAILED: where a tensor begins changes the bits\n");
        ++failures;
    }
    std::vector<u32> all;
    for (u32 i = 0; i < TENSORS; ++i) all.push_back(1 + i * 37 % 101);
    all[50] = PART + 2;
    all[TENSORS - 1] = PART + 1;
    run("a full table", all, 0);
    return failures != 0;
}
