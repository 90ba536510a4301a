// For kernels over a list of up to TENSORS tensors in one launch: pointers come by position, because
// that is how a launch passes buffers, and a table says which part of which tensor a block takes.
//
// Kernel parameters are 4096 bytes at most: 100 tensors of four pointers with their tables are 4000.

struct TensorTable {
    // Blocks of the tensors up to and including each; the last number repeats to the end of the table.
    u32 ends[TENSORS];
    // Elements of each.
    u32 lengths[TENSORS];
};

struct Part {
    u32 tensor;
    // First element, and how many.
    u32 begin, count;
};

// The part of `elements` elements, or of what is left, that block `block` takes.
DEVICE Part part_of(const TensorTable& table, u32 block, u32 elements) {
    u32 low = 0, high = TENSORS - 1;
    while (low < high) {
        const u32 middle = (low + high) / 2;
        if (block < table.ends[middle]) high = middle;
        else low = middle + 1;
    }
    const u32 begin = (block - (low == 0 ? 0 : table.ends[low - 1])) * elements;
    const u32 left = table.lengths[low] - begin;
    return {low, begin, left < elements ? left : elements};
}

struct alignas(16) Floats {
    float values[4];
};

// Buffers begin on 16 bytes, a slice of one may not.
DEVICE bool on_16_bytes(const void* pointer) { return reinterpret_cast<u64>(pointer) % 16 == 0; }

// X(0) X(1) ... X(99)
static_assert(TENSORS == 100, "the list below is that of the table");
#define TEN_TENSORS(X, tens)                                                                  \
    X(tens##0) X(tens##1) X(tens##2) X(tens##3) X(tens##4) X(tens##5) X(tens##6) X(tens##7)   \
    X(tens##8) X(tens##9)
#define EACH_TENSOR(X)                                                                        \
    TEN_TENSORS(X, ) TEN_TENSORS(X, 1) TEN_TENSORS(X, 2) TEN_TENSORS(X, 3) TEN_TENSORS(X, 4)  \
    TEN_TENSORS(X, 5) TEN_TENSORS(X, 6) TEN_TENSORS(X, 7) TEN_TENSORS(X, 8) TEN_TENSORS(X, 9)

