// The index functions of the kernels at sizes that 32 bits do not reach, and the permutation of tiles.
#include "emulator.h"
#include "check.h"
#include KERNEL_TEXT

template <int COLUMNS>
static void check_tile(int rows) {
    std::vector<int> seen(rows * COLUMNS / 8);
    for (int row = 0; row < rows; ++row)
        for (int chunk = 0; chunk < COLUMNS / 8; ++chunk) {
            const int at = tile_chunk<COLUMNS>(row, chunk);
            failures += at % 8 != 0 || seen[at / 8]++ != 0;
        }
    // The eight rows of a matrix load lie in eight different 16-byte columns of the 128-byte line.
    for (int first = 0; first < rows; first += 8)
        for (int chunk = 0; chunk < COLUMNS / 8; ++chunk) {
            int banks = 0;
            for (int row = first; row < first + 8; ++row) banks |= 1 << tile_chunk<COLUMNS>(row, chunk) / 8 % 8;
            failures += banks != 255;
        }
    std::printf("%s tile of %d columns\n", failures ? "FAILED" : "ok", COLUMNS);
}

int main() {
    check_tile<16>(64);
    check_tile<32>(64);
    check_tile<64>(256);
    check_tile<128>(128);
    check_tile<256>(64);
    // 65,536 tokens by 152,064 words of the vocabulary: 2^33.2 elements.
    const u64 rows = 65536, columns = 152064;
    failures += element(rows - 1, columns - 1, columns) != rows * columns - 1;
    // A product with 2^32 outputs and more: every corner once.
    const u32 m = 16384 * 8 + 8, n = 152064;
    const u32 tiles_m = (m + BM - 1) / BM, tiles_n = (n + BN - 1) / BN;
    std::vector<int> seen(size_t(tiles_m) * tiles_n);
    for (u32 block = 0; block < tiles_m * tiles_n; ++block) {
        const Corner corner = corner_of(block, m, n);
        failures += corner.row >= m || corner.column >= n ||
                    seen[size_t(corner.row / BM) * tiles_n + corner.column / BN]++ != 0;
    }
    std::printf("%s corners of %u x %u\n", failures ? "FAILED" : "ok", m, n);
    return failures != 0;
}
