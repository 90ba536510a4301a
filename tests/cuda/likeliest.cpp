// likeliest.cu against a walk over the row.
#include "emulator.h"
#include "check.h"
#include KERNEL_TEXT

int main() {
    const u32 rows = 6, columns = 3 * THREADS + 17;
    Buffer<float> logits(rows * columns);
    randomize(logits);
    // Equal ones, far apart and in one thread's share; NaNs; nothing but minus infinity; nothing but NaN.
    logits[1 * columns + 700] = logits[1 * columns + 33] = logits[1 * columns + 33 + THREADS] = 2.0f;
    for (u32 i = 0; i < columns; i += 3) logits[2 * columns + i] = NAN;
    for (u32 i = 0; i < columns; ++i) logits[3 * columns + i] = -INFINITY;
    for (u32 i = 0; i < columns; ++i) logits[4 * columns + i] = NAN;
    logits[5 * columns + columns - 1] = INFINITY;
    std::vector<int> out(rows, -1);
    emulator::launch({rows, 1, 1}, THREADS, SHARED_BYTES, [&] {
        SIGIL_ENTRY(logits.data, out.data(), LikeliestShape{columns});
    });
    for (u32 row = 0; row < rows; ++row) {
        int wanted = 0;
        float best = -INFINITY;
        for (u32 i = 0; i < columns; ++i)
            if (logits[row * columns + i] > best) {
                best = logits[row * columns + i];
                wanted = static_cast<int>(i);
            }
        if (out[row] != wanted) {
            std::printf("FAILED row %u: %d instead of %d\n", row, out[row], wanted);
            return 1;
        }
    }
    std::printf("ok likeliest\n");
    return 0;
}
