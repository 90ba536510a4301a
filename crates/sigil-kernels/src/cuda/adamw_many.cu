// One AdamW step over up to TENSORS tensors, all f32, each updated in place: a launch for many small
// matrices instead of one for each. Every number is read and written once.
//
// The order of operations is PyTorch's, and every operation is rounded by itself, so the numbers are
// those of the CPU. Grid: for every tensor a block for PART of its elements, in the order of the list.
//
// Defined before this text: TENSORS.

constexpr int THREADS = 256;
constexpr u32 PART = 4096;

struct AdamWShape {
    TensorTable table;
    float gradient_scale, decay, one_minus_beta1, beta2, one_minus_beta2, step_size, root, epsilon;
};

DEVICE void update(float& parameter, float gradient, float& first, float& second,
                   const AdamWShape& shape) {
    const float g = rounded_product(gradient, shape.gradient_scale);
    const float towards = rounded_product(rounded_difference(g, first), shape.one_minus_beta1);
    first = rounded_sum(first, towards);
    const float square = rounded_product(rounded_product(g, g), shape.one_minus_beta2);
    second = rounded_sum(rounded_product(second, shape.beta2), square);
    const float root = rounded_quotient(rounded_root(second), shape.root);
    const float way = rounded_quotient(first, rounded_sum(root, shape.epsilon));
    parameter = rounded_difference(rounded_product(parameter, shape.decay),
                                   rounded_product(way, shape.step_size));
}

#define POINTERS(i) float *parameter##i, const float *gradient##i, float *first##i, float *second##i,
#define CHOOSE(i)                 \
    case i:                       \
        parameter = parameter##i; \
        gradient = gradient##i;   \
        first = first##i;         \
        second = second##i;       \
        break;

KERNEL(THREADS, 4)
SIGIL_ENTRY(EACH_TENSOR(POINTERS) BY_VALUE AdamWShape shape) {
    const Part part = part_of(shape.table, blockIdx.x, PART);
    float *parameter, *first, *second;
    const float* gradient;
    switch (part.tensor) {
        EACH_TENSOR(CHOOSE)
        default: return;
    }
    parameter += part.begin;
    gradient += part.begin;
    first += part.begin;
    second += part.begin;
    // The first elements by four where all tensors begin on 16 bytes, the others one by one.
    const bool aligned = on_16_bytes(parameter) && on_16_bytes(gradient) && on_16_bytes(first) &&
                         on_16_bytes(second);
    const u32 fours = aligned ? part.count / 4 : 0;
    for (u32 i = threadIdx.x; i < fours; i += THREADS) {
        const Floats g = reinterpret_cast<const Floats*>(gradient)[i];
        Floats p = reinterpret_cast<Floats*>(parameter)[i];
        Floats m = reinterpret_cast<Floats*>(first)[i];
        Floats v = reinterpret_cast<Floats*>(second)[i];
#pragma unroll
        for (int e = 0; e < 4; ++e) update(p.values[e], g.values[e], m.values[e], v.values[e], shape);
        reinterpret_cast<Floats*>(parameter)[i] = p;
        reinterpret_cast<Floats*>(first)[i] = m;
        reinterpret_cast<Floats*>(second)[i] = v;
    }
    for (u32 i = 4 * fours + threadIdx.x; i < part.count; i += THREADS)
        update(parameter[i], gradient[i], first[i], second[i], shape);
}
