// Draws a token of every row from its logits: temperature, top-k, top-p, min-p, then the token at a share
// of the weights' sum that the host gives. One block a row; only the tokens are read back.
//
// A weight is the share of the likeliest token's weight in units of 2^-40, an integer: sums of integers do
// not depend on their order, so a draw is the same in every run. Where top-k and top-p end is found from
// the largest logit on, by sums over bins: first bins of weights, which logits spread over evenly, then the
// four bytes of the logits' bits inside one such bin. Where equal logits are kept only in part, those of
// the lower columns are. The token is the one at the drawn unit in the order of the columns.
//
// A NaN is never drawn; a row whose largest number is not finite gives what likeliest.cu gives.
//
// Nothing is defined before this text.

constexpr int THREADS = 256, WARPS = THREADS / 32;
constexpr float UNITS = 1099511627776.0f;
// What weighs less than half a unit (41 octaves) is nothing, so every other weight has a bin.
constexpr float BINS_OF_AN_OCTAVE = 6.0f;
constexpr u32 NO_COLUMN = 0xffffffffu;

struct DrawShape {
    u32 columns;
    // log2(e) / temperature.
    float factor;
    // 0 for all.
    u32 top_k;
    // A share of 2^64, low word first; 0 for all.
    u32 top_p[2];
    // Units that a token must weigh by min-p, low word first.
    u32 least_weight[2];
};

struct Word {
    u32 key, bin;
    u64 weight;
};

struct Row {
    const float* logits;
    u32 columns;
    float best, factor;
    // Kept are the keys above `least`, and those equal to it up to the column `last`.
    u32 least, last;
};

// What the threads of a block tell each other.
struct Board {
    u64 bins[THREADS], groups[32], before, inside;
    float values[THREADS];
    u32 columns[THREADS], bin;
};

DEVICE u64 joined(const u32 (&words)[2]) { return words[0] | static_cast<u64>(words[1]) << 32; }

// In the order of the numbers; both zeros are the same.
DEVICE u32 key_of(float logit) {
    const u32 bits = bits_of_float(logit + 0.0f);
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

DEVICE float logit_of(u32 key) { return float_of_bits(key >> 31 ? key & 0x7fffffffu : ~key); }

DEVICE u64 weight_of(float octaves) {
    return static_cast<u64>(exp2_fast(-octaves) * UNITS + 0.5f);
}

// The word of a column; one without weight where it is not kept.
DEVICE Word word_at(const Row& row, u32 column) {
    const float logit = row.logits[column];
    const u32 key = key_of(logit);
    if (!(logit <= row.best) || key < row.least || (key == row.least && column > row.last))
        return Word{0, 0, 0};
    const float octaves = (row.best - logit) * row.factor;
    const u64 weight = weight_of(octaves);
    return Word{key, weight == 0 ? 0 : static_cast<u32>(octaves * BINS_OF_AN_OCTAVE), weight};
}

// Keeps the words from the largest key on until their measures reach `need(sum of all)`, and all that equal
// the last of them. Returns what of the need the equal ones together have to bring, 0 where all words do
// not reach it; `board->inside` is what they bring then.
template <class Measure, class Need>
DEVICE u64 keep_until(Row& row, Board* board, Measure measure, Need need) {
    u64 left = 0;
    u32 bin = 0, bytes = 0;
    for (int level = 0; level < 5; ++level) {
        const int shift = 32 - 8 * level;
        __syncthreads();
        board->bins[threadIdx.x] = 0;
        if (threadIdx.x == 0) board->bin = THREADS;
        __syncthreads();
        for (u32 column = threadIdx.x; column < row.columns; column += THREADS) {
            const Word word = word_at(row, column);
            if (word.weight == 0) continue;
            u32 place = word.bin;
            if (level > 0) {
                if (place != bin || (level > 1 && word.key >> (shift + 8) != bytes)) continue;
                // The first bin is that of the largest.
                place = 255 - (word.key >> shift & 255);
            }
            add_shared(board->bins + place, measure(word));
        }
        __syncthreads();
        if (threadIdx.x < 32) {
            u64 sum = 0;
            for (int i = 0; i < 8; ++i) sum += board->bins[8 * threadIdx.x + i];
            board->groups[threadIdx.x] = sum;
        }
        __syncthreads();
        if (level == 0) {
            u64 all = 0;
            for (int group = 0; group < 32; ++group) all += board->groups[group];
            left = need(all);
        }
        u64 before = 0;
        for (u32 group = 0; group < threadIdx.x / 8; ++group) before += board->groups[group];
        for (u32 i = threadIdx.x / 8 * 8; i < threadIdx.x; ++i) before += board->bins[i];
        const u64 inside = board->bins[threadIdx.x];
        if (before < left && left <= before + inside) {
            board->bin = threadIdx.x;
            board->before = before;
            board->inside = inside;
        }
        __syncthreads();
        if (board->bin == THREADS) return 0;
        left -= board->before;
        if (level == 0) bin = board->bin;
        else bytes = bytes << 8 | (255 - board->bin);
    }
    row.least = bytes;
    return left;
}

// The column that holds unit `target(sum of all)` of the measures, counted in the order of the columns: each
// warp sums an eighth of them, then the same in the eighth that holds it.
template <class Measure, class Target>
DEVICE u32 column_of(u32 columns, Board* board, Measure measure, Target target) {
    const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    u32 begin = 0, end = columns;
    u64 left = 0;
    bool whole = true;
    while (whole || end - begin > 1) {
        const u32 length = (end - begin + WARPS - 1) / WARPS;
        const u32 from = begin + warp * length, to = from + length < end ? from + length : end;
        u64 sum = 0;
        for (u32 column = from + lane; column < to; column += 32) sum += measure(column);
        __syncthreads();
        board->bins[threadIdx.x] = sum;
        __syncthreads();
        if (lane == 0) {
            for (int i = 1; i < 32; ++i) sum += board->bins[threadIdx.x + i];
            board->groups[warp] = sum;
        }
        __syncthreads();
        if (whole) {
            u64 all = 0;
            for (int i = 0; i < WARPS; ++i) all += board->groups[i];
            left = target(all);
            whole = false;
        }
        // Never behind the last column, whatever the measures are: the search ends.
        for (int part = 0; end - begin > length && left >= board->groups[part]; ++part) {
            left -= board->groups[part];
            begin += length;
        }
        end = begin + length < end ? begin + length : end;
    }
    return begin;
}

// Leaves the largest number in `board->values[0]`, the first column that has it in `board->columns[0]`.
DEVICE void find_best(const float* logits, u32 columns, Board* board) {
    float best = float_of_bits(0xff800000u);
    u32 at = NO_COLUMN;
    for (u32 column = threadIdx.x; column < columns; column += THREADS) {
        const float logit = logits[column];
        if (logit > best) {
            best = logit;
            at = column;
        }
    }
    board->values[threadIdx.x] = best;
    board->columns[threadIdx.x] = at;
    for (u32 half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x >= half) continue;
        const float other = board->values[threadIdx.x + half];
        const u32 place = board->columns[threadIdx.x + half];
        if (other > best || (other == best && place < at)) {
            board->values[threadIdx.x] = best = other;
            board->columns[threadIdx.x] = at = place;
        }
    }
    __syncthreads();
}

// Grid: rows. `shares` holds a share of 2^64 for every row, low word first.
KERNEL(THREADS, 4)
SIGIL_ENTRY(const float* logits, const u32* shares, int* out, BY_VALUE DrawShape shape) {
    SHARED(memory);
    Board* board = reinterpret_cast<Board*>(memory);
    const float* own = logits + element(blockIdx.x, 0, shape.columns);
    find_best(own, shape.columns, board);
    Row row = {own, shape.columns, board->values[0], shape.factor, 0, NO_COLUMN};
    const u32 first = board->columns[0];
    if (first == NO_COLUMN || row.best == float_of_bits(0x7f800000u)) {
        if (threadIdx.x == 0) out[blockIdx.x] = first == NO_COLUMN ? 0 : static_cast<int>(first);
        return;
    }
    if (shape.top_k > 0)
        keep_until(row, board, [](const Word&) -> u64 { return 1; },
                   [&](u64) -> u64 { return shape.top_k; });
    const u64 top_p = joined(shape.top_p);
    if (top_p > 0) {
        const u64 left = keep_until(
            row, board, [](const Word& word) { return word.weight; },
            // Rounded up, so that what reaches it reaches the share itself.
            [&](u64 all) { return high_product(all, top_p) + (all * top_p != 0); });
        const u64 weight = weight_of((row.best - logit_of(row.least)) * row.factor);
        // Nobody writes `inside` before the next barrier, which follows its reading.
        const u64 equal = board->inside / weight, kept = (left + weight - 1) / weight;
        if (kept < equal) {
            const u32 key = row.least;
            row.last = column_of(
                row.columns, board, [&](u32 column) -> u64 { return key_of(own[column]) == key; },
                [&](u64) { return kept - 1; });
        }
    }
    const u64 least_weight = joined(shape.least_weight);
    const u64 share = shares[2 * blockIdx.x] | static_cast<u64>(shares[2 * blockIdx.x + 1]) << 32;
    const u32 column = column_of(
        row.columns, board,
        [&](u32 column) -> u64 {
            const u64 weight = word_at(row, column).weight;
            return weight < least_weight ? 0 : weight;
        },
        [&](u64 all) { return high_product(all, share); });
    if (threadIdx.x == 0) out[blockIdx.x] = static_cast<int>(column);
}
