// One configuration of fixed_product.cu against a product in f64.
#include "emulator.h"
#include "check.h"
#include KERNEL_TEXT

static void run(u32 m, u32 n, u32 k) {
    Buffer<In> a(size_t(m) * k), b(size_t(n) * k);
    Buffer<Out> addend(size_t(m) * n), out(size_t(m) * n);
    randomize(a);
    randomize(b);
    randomize(addend);
    const u32 blocks = ((m + TILE - 1) / TILE) * ((n + TILE - 1) / TILE);
    emulator::launch({blocks, 1, 1}, THREADS, SHARED_BYTES, [&] {
        SIGIL_ENTRY(a.data, b.data, addend.data, out.data, ProductShape{m, n, k, -0.5f});
    });
    std::vector<double> wanted;
    for (u32 i = 0; i < m; ++i)
        for (u32 j = 0; j < n; ++j) {
            double sum = 0.0;
            for (u32 x = 0; x < k; ++x)
                sum += at(a, A_STORED_KM ? size_t(x) * m + i : size_t(i) * k + x) *
                       at(b, B_STORED_NK ? size_t(j) * k + x : size_t(x) * n + j);
            wanted.push_back(-0.5 * sum + (ADDS ? at(addend, size_t(i) * n + j) : 0.0));
        }
    compare("product " + std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k), out,
            wanted, sizeof(Out) == 2 ? 4e-3 : 1e-6);
}

int main() {
    run(1, 1, 1);
    run(TILE, TILE, DEPTH);
    run(TILE + 3, 2 * TILE + 7, 3 * DEPTH + 5);
    return failures != 0;
}
