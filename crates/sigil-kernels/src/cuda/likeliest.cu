// The column of the largest number of every row, the first of equal ones: greedy choice where the logits
// are, so that one number a sequence is read back instead of the whole vocabulary. No number is larger
// than a NaN; a row without one above minus infinity gives column 0, as on the CPU.
//
// Nothing is defined before this text.

constexpr int THREADS = 256;

struct LikeliestShape {
    u32 columns;
};

// Grid: rows.
KERNEL(THREADS, 4)
SIGIL_ENTRY(const float* logits, int* out, BY_VALUE LikeliestShape shape) {
    SHARED(memory);
    float* values = reinterpret_cast<float*>(memory);
    u32* columns = reinterpret_cast<u32*>(values + THREADS);
    float best = float_of_bits(0xff800000u);
    u32 at = 0xffffffffu;
    for (u32 column = threadIdx.x; column < shape.columns; column += THREADS) {
        const float logit = logits[element(blockIdx.x, column, shape.columns)];
        if (logit > best) {
            best = logit;
            at = column;
        }
    }
    values[threadIdx.x] = best;
    columns[threadIdx.x] = at;
    for (u32 half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x >= half) continue;
        const float other = values[threadIdx.x + half];
        const u32 place = columns[threadIdx.x + half];
        if (other > best || (other == best && place < at)) {
            values[threadIdx.x] = best = other;
            columns[threadIdx.x] = at = place;
        }
    }
    if (threadIdx.x == 0) out[blockIdx.x] = at == 0xffffffffu ? 0 : static_cast<int>(at);
}
