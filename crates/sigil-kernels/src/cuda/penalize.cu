// The repetition penalty on the tokens of every row's text, in place: positive logits are divided by it,
// the others multiplied, as on the CPU.
//
// Nothing is defined before this text.

constexpr int THREADS = 256;

struct PenaltyShape {
    u32 columns;
    float penalty;
};

// Grid: rows. The tokens of a row, each once, lie from `starts[row]` to `starts[row + 1]`.
KERNEL(THREADS, 4)
SIGIL_ENTRY(const int* starts, const int* tokens, float* logits, BY_VALUE PenaltyShape shape) {
    const u32 end = starts[blockIdx.x + 1];
    for (u32 i = starts[blockIdx.x] + threadIdx.x; i < end; i += THREADS) {
        float* logit = logits + element(blockIdx.x, tokens[i], shape.columns);
        *logit = *logit < 0.0f ? *logit * shape.penalty : *logit / shape.penalty;
    }
}
