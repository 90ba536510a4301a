// One configuration of gemm.cu or gemm_hopper.cu against a product in f64.
#include "emulator.h"
#include "check.h"
#include KERNEL_TEXT

// gemm_hopper.cu has one way only.
#ifndef A_STORED_KM
#define A_STORED_KM 0
#define PARTIAL 0
#endif

static double operand(Buffer<uint16_t>& matrix, bool transposed, size_t i, size_t j, size_t rows,
                      size_t columns) {
    return at(matrix, transposed ? j * rows + i : i * columns + j);
}

static void run(u32 m, u32 n, u32 k, u32 k2, u32 share, float alpha) {
    Buffer<uint16_t> a(size_t(m) * k), b(size_t(n) * k), a2(size_t(m) * k2), b2(size_t(n) * k2);
    for (auto* buffer : {&a, &b, &a2, &b2}) randomize(*buffer);
#if OUT_F32 || PARTIAL
    using Out = float;
#else
    using Out = uint16_t;
#endif
    const u32 steps = (k + BK - 1) / BK + (k2 + BK - 1) / BK;
    share = share < steps ? share : steps;
    const u32 shares = (steps + share - 1) / share;
    Buffer<Out> addend(size_t(m) * n), out(size_t(m) * n * shares);
    randomize(addend);
    const GemmShape shape = {m, n, k, k2, share, alpha};
    const u32 blocks = ((m + BM - 1) / BM) * ((n + BN - 1) / BN);
    emulator::launch({blocks, 1, shares}, THREADS, SHARED_BYTES, [&] {
        SIGIL_ENTRY(a.data, b.data, a2.data, b2.data, addend.data, out.data, shape);
    });
    std::vector<double> wanted(size_t(m) * n);
    for (u32 i = 0; i < m; ++i)
        for (u32 j = 0; j < n; ++j) {
            double sum = 0.0;
            for (u32 x = 0; x < k; ++x)
                sum += operand(a, A_STORED_KM, i, x, m, k) * operand(b, B_STORED_NK, x, j, k, n);
            for (u32 x = 0; x < k2; ++x)
                sum += operand(a2, A_STORED_KM, i, x, m, k2) * operand(b2, B_STORED_NK, x, j, k2, n);
#if PARTIAL
            wanted[size_t(i) * n + j] = sum;
#else
            wanted[size_t(i) * n + j] = alpha * sum + (ADDS ? at(addend, size_t(i) * n + j) : 0.0);
#endif
        }
    if (PARTIAL) {
        Buffer<Out> total(size_t(m) * n);
        for (size_t i = 0; i < total.length; ++i) {
            float sum = 0.0f;
            for (u32 s = 0; s < shares; ++s) sum += at(out, s * total.length + i);
            total[i] = sum;
        }
        compare("partial gemm", total, wanted, 1e-5);
    } else {
        const std::string what = "gemm " + std::to_string(m) + "x" + std::to_string(n) + "x" +
                                 std::to_string(k) + "+" + std::to_string(k2);
        compare(what, out, wanted, sizeof(Out) == 2 ? 4e-3 : 1e-5);
    }
}

int main() {
    const u32 all = PARTIAL ? 2 : 1u << 20;
    run(BM, BN, 64, 0, all, 1.0f);
    // Edges in every direction, more steps than stages, a second pair.
    run(BM + 8, BN + 8, 64 * (STAGES + 1) + 24, 16, all, 0.5f);
    run(8, 16, 40, 8, all, -2.0f);
    // Several tiles each way: every output is written once.
    if (BM * BN <= 64 * 128) run(9 * BM - 8, 2 * BN + 8, 72, 0, all, 1.0f);
    return failures != 0;
}
