// penalize.cu against its definition: only the listed words change, each once.
#include "emulator.h"
#include "check.h"

#include <algorithm>
#include KERNEL_TEXT

int main() {
    const u32 rows = 4, columns = 700;
    const float penalty = 1.3f;
    // A row without a text, one with more tokens than threads, one with the first and the last word.
    std::vector<std::vector<int>> texts(rows);
    for (int i = 0; i < 600; ++i) texts[1].push_back((i * 7) % columns);
    texts[2] = {699, 0};
    texts[3] = {5, 3, 4};
    std::vector<int> starts = {0}, tokens;
    for (auto& text : texts) {
        tokens.insert(tokens.end(), text.begin(), text.end());
        starts.push_back(tokens.size());
    }
    Buffer<float> logits(rows * columns);
    randomize(logits);
    logits[3 * columns + 3] = -INFINITY;
    logits[3 * columns + 4] = 0.0f;
    std::vector<float> wanted(logits.data, logits.data + rows * columns);
    for (u32 row = 0; row < rows; ++row)
        for (int token : texts[row]) {
            float& logit = wanted[row * columns + token];
            logit = logit < 0.0f ? logit * penalty : logit / penalty;
        }
    emulator::launch({rows, 1, 1}, THREADS, SHARED_BYTES, [&] {
        SIGIL_ENTRY(starts.data(), tokens.data(), logits.data, PenaltyShape{columns, penalty});
    });
    for (u32 i = 0; i < rows * columns; ++i)
        if (logits[i] != wanted[i]) {
            std::printf("FAILED element %u: %g instead of %g\n", i, logits[i], wanted[i]);
            return 1;
        }
    std::printf("ok penalize\n");
    return 0;
}
