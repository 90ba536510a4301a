// adamw_many.cu: every bit that of the same operations in f32 one after another, and close to f64.
#include "emulator.h"
#include "check.h"
#include KERNEL_TEXT

#define ARGUMENTS(i) pointers[0][i], pointers[1][i], pointers[2][i], pointers[3][i],

// One step over tensors of these lengths, each `shift` elements behind 16 bytes.
static void run(const std::string& what, const std::vector<u32>& lengths, u32 shift) {
    AdamWShape shape = {};
    // beta1 0.9, beta2 0.99, third step.
    shape.gradient_scale = 0.7f;
    shape.decay = 1.0f - 1e-2f * 0.1f;
    shape.one_minus_beta1 = 0.1f;
    shape.beta2 = 0.99f;
    shape.one_minus_beta2 = 0.01f;
    shape.step_size = 1e-2f / 0.271f;
    shape.root = std::sqrt(0.029701f);
    shape.epsilon = 1e-8f;
    // Parameter, gradient, first and second moment, with numbers behind each that must stay.
    std::vector<Buffer<float>> buffers[4];
    float* pointers[4][TENSORS];
    u32 blocks = 0;
    for (u32 i = 0; i < TENSORS; ++i) {
        const bool given = i < lengths.size();
        const u32 length = given ? lengths[i] : 0;
        blocks += (length + PART - 1) / PART;
        shape.table.ends[i] = blocks;
        shape.table.lengths[i] = length;
        for (int role = 0; role < 4; ++role) {
            if (given) {
                buffers[role].emplace_back(shift + length + 4);
                Buffer<float>& buffer = buffers[role].back();
                randomize(buffer);
                if (role == 3)
                    for (size_t e = 0; e < buffer.length; ++e) buffer[e] *= buffer[e];
            }
            // As the launch does: what the table does not use is the first tensor again.
            pointers[role][i] = buffers[role][given ? i : 0].data + shift;
        }
    }
    std::vector<std::vector<float>> before[4];
    for (int role = 0; role < 4; ++role)
        for (Buffer<float>& x : buffers[role]) before[role].emplace_back(x.data, x.data + x.length);
    emulator::launch({blocks, 1, 1}, THREADS, SHARED_BYTES,
                     [&] { SIGIL_ENTRY(EACH_TENSOR(ARGUMENTS) shape); });
    size_t different = 0;
    double worst = 0.0;
    for (u32 i = 0; i < lengths.size(); ++i)
        for (size_t e = 0; e < before[0][i].size(); ++e) {
            float p = before[0][i][e], g = before[1][i][e], m = before[2][i][e], v = before[3][i][e];
            const bool inside = e >= shift && e < shift + lengths[i];
            if (inside) {
                double dp = p, dm = m, dv = v, dg = double(g) * shape.gradient_scale;
                dm += (dg - dm) * shape.one_minus_beta1;
                dv = dv * shape.beta2 + dg * dg * shape.one_minus_beta2;
                dp = dp * shape.decay - dm / (std::sqrt(dv) / shape.root + shape.epsilon) * shape.step_size;
                const float scaled = g * shape.gradient_scale;
                m = m + (scaled - m) * shape.one_minus_beta1;
                v = v * shape.beta2 + scaled * scaled * shape.one_minus_beta2;
                const float denominator = std::sqrt(v) / shape.root + shape.epsilon;
                p = p * shape.decay - m / denominator * shape.step_size;
                worst = std::max({worst, std::fabs(p - dp), std::fabs(m - dm), std::fabs(v - dv)});
            }
            const float wanted[4] = {p, g, m, v};
            for (int role = 0; role < 4; ++role)
                different += std::memcmp(&wanted[role], &buffers[role][i][e], 4) != 0;
        }
    const bool ok = different == 0 && worst < 1e-6;
    failures += !ok;
    std::printf("%s %s: %zu numbers differ, %.1e from f64\n", ok ? "ok" : "FAILED", what.c_str(),
                different, worst);
}

int main() {
    run("one element", {1}, 0);
    run("no multiple of four", {4099}, 0);
    run("three tensors", {PART, 7, 2 * PART + 5}, 0);
    run("three tensors that begin between chunks", {1000, 1, PART + 3}, 1);
    std::vector<u32> all;
    for (u32 i = 0; i < TENSORS; ++i) all.push_back(1 + i * 37 % 101);
    all[50] = 3 * PART + 2;
    all[TENSORS - 1] = PART + 1;
    run("a full table", all, 0);
    return failures != 0;
}
