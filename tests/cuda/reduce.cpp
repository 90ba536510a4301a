// reduce.cu against a sum in f64, at an odd number of elements of a block.
#include "emulator.h"
#include "check.h"
#include KERNEL_TEXT

int main() {
#if OUT_F32
    using Out = float;
#else
    using Out = uint16_t;
#endif
    const ReduceShape shape = {2 * THREADS * 3 + 8, 5, -1.5f};
    Buffer<float> partial(shape.elements * shape.shares);
    Buffer<Out> addend(shape.elements), out(shape.elements);
    randomize(partial);
    randomize(addend);
    const u32 blocks = static_cast<u32>((shape.elements + 2 * THREADS - 1) / (2 * THREADS));
    emulator::launch({blocks, 1, 1}, THREADS, SHARED_BYTES, [&] {
        SIGIL_ENTRY(partial.data, addend.data, out.data, shape);
    });
    std::vector<double> wanted(shape.elements);
    for (u64 i = 0; i < shape.elements; ++i) {
        for (u32 share = 0; share < shape.shares; ++share)
            wanted[i] += at(partial, share * shape.elements + i);
        wanted[i] = shape.alpha * wanted[i] + (ADDS ? at(addend, i) : 0.0);
    }
    compare("reduce", out, wanted, sizeof(Out) == 2 ? 4e-3 : 1e-6);
    return failures != 0;
}
