// Runs the CUDA C++ kernels of crates/sigil-kernels/src/cuda on a CPU, one block at a time.
//
// Every thread of a block is a coroutine; one runs until it waits for its warp or its block. Warp
// instructions exchange operands as PTX's tables lay them out over the lanes. An asynchronous copy
// happens when it is waited for and not before, and shared memory starts as NaN, so that a kernel
// that reads too early or out of place computes nonsense. What it cannot show: races between threads
// that a real card would run at once, and speed.
#pragma once

#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#define SIGIL_HOST
#define DEVICE static inline
#define KERNEL(threads, blocks) static void
#define BY_VALUE const
#define SHARED(name) unsigned char* name = emulator::block->shared.data()

struct Index3 {
    unsigned x, y, z;
};
static Index3 threadIdx, blockIdx, gridDim;

namespace emulator {

struct Copy {
    void* to;
    const void* from;
    bool inside;
};

struct Thread {
    ucontext_t context;
    std::unique_ptr<char[]> stack;
    std::deque<std::vector<Copy>> groups;
    std::vector<Copy> open;
    bool ended = false;
};

struct Barrier {
    unsigned arrived = 0, generation = 0;
};

struct Lane {
    uint32_t a[4], b[2];
    const void* row;
    float value;
};

struct Block {
    std::vector<unsigned char> shared;
    std::vector<Thread> threads;
    std::vector<Barrier> warps;
    std::vector<Lane> lanes;
    Barrier all;
    ucontext_t scheduler;
    unsigned current = 0;
    std::function<void()> body;
};

static Block* block;

static inline void yield() {
    Block& b = *block;
    swapcontext(&b.threads[b.current].context, &b.scheduler);
}

static inline void arrive(Barrier& barrier, unsigned count) {
    const unsigned generation = barrier.generation;
    if (++barrier.arrived == count) {
        barrier.arrived = 0;
        ++barrier.generation;
        return;
    }
    while (barrier.generation == generation) yield();
}

static inline void warp_barrier() { arrive(block->warps[block->current / 32], 32); }

// The lanes of this thread's warp.
static inline Lane* warp() { return block->lanes.data() + block->current / 32 * 32; }
static inline Lane& own() { return block->lanes[block->current]; }

static void thread_main() {
    block->body();
    block->threads[block->current].ended = true;
    yield();
}

// Runs `body` for every thread of every block of the grid.
static void launch(Index3 grid, unsigned threads, size_t shared_bytes, std::function<void()> body) {
    constexpr size_t STACK = 128 << 10;
    gridDim = grid;
    for (unsigned z = 0; z < grid.z; ++z)
        for (unsigned y = 0; y < grid.y; ++y)
            for (unsigned x = 0; x < grid.x; ++x) {
                Block b;
                // A float of these bytes is a NaN, and so is a bf16.
                b.shared.assign(shared_bytes, 0xff);
                b.threads.resize(threads);
                b.warps.resize(threads / 32);
                b.lanes.resize(threads);
                b.body = body;
                block = &b;
                for (Thread& thread : b.threads) {
                    getcontext(&thread.context);
                    thread.stack.reset(new char[STACK]);
                    thread.context.uc_stack.ss_sp = thread.stack.get();
                    thread.context.uc_stack.ss_size = STACK;
                    thread.context.uc_link = nullptr;
                    makecontext(&thread.context, thread_main, 0);
                }
                for (bool running = true; running;) {
                    running = false;
                    for (unsigned t = 0; t < threads; ++t) {
                        if (b.threads[t].ended) continue;
                        running = true;
                        b.current = t;
                        threadIdx = {t, 0, 0};
                        blockIdx = {x, y, z};
                        swapcontext(&b.scheduler, &b.threads[t].context);
                    }
                }
            }
}

static inline float float_of_bf16(uint32_t bits) {
    uint32_t word = bits << 16;
    float value;
    std::memcpy(&value, &word, 4);
    return value;
}

static inline uint32_t bf16_of_float(float value) {
    uint32_t word;
    std::memcpy(&word, &value, 4);
    if (value != value) return 0x7fff;
    return (word + 0x7fff + (word >> 16 & 1)) >> 16;
}

}  // namespace emulator

static inline void __syncthreads() {
    emulator::arrive(emulator::block->all, emulator::block->threads.size());
}

static inline void copy_async(void* to, const void* from, bool inside) {
    const unsigned char* first = emulator::block->shared.data();
    const size_t at = static_cast<unsigned char*>(to) - first;
    if (at % 16 != 0 || at + 16 > emulator::block->shared.size()) {
        std::fprintf(stderr, "a copy to byte %zu of shared memory\n", at);
        std::abort();
    }
    if (reinterpret_cast<uintptr_t>(from) % 16 != 0) {
        std::fprintf(stderr, "a copy from an address that is no multiple of 16\n");
        std::abort();
    }
    emulator::block->threads[emulator::block->current].open.push_back({to, from, inside});
}

static inline void commit_copies() {
    emulator::Thread& thread = emulator::block->threads[emulator::block->current];
    thread.groups.push_back(std::move(thread.open));
    thread.open.clear();
}

template <int LEFT>
static inline void wait_copies() {
    emulator::Thread& thread = emulator::block->threads[emulator::block->current];
    while (thread.groups.size() > LEFT) {
        for (const emulator::Copy& copy : thread.groups.front()) {
            if (copy.inside) std::memcpy(copy.to, copy.from, 16);
            else std::memset(copy.to, 0, 16);
        }
        thread.groups.pop_front();
    }
}

// Matrix i: row r is what lane 8 i + r points to; lane l receives elements 2 (l % 4) and the next of
// row l / 4.
static inline void load_matrices(uint32_t (&r)[4], const void* row) {
    using namespace emulator;
    const unsigned lane = block->current % 32;
    own().row = row;
    warp_barrier();
    for (int i = 0; i < 4; ++i) {
        const uint16_t* source = static_cast<const uint16_t*>(warp()[8 * i + lane / 4].row);
        r[i] = source[lane % 4 * 2] | uint32_t(source[lane % 4 * 2 + 1]) << 16;
    }
    warp_barrier();
}

static inline void load_matrices_transposed(uint32_t (&r)[4], const void* row) {
    using namespace emulator;
    const unsigned lane = block->current % 32;
    own().row = row;
    warp_barrier();
    for (int i = 0; i < 4; ++i) {
        const Lane* rows = warp() + 8 * i + lane % 4 * 2;
        r[i] = static_cast<const uint16_t*>(rows[0].row)[lane / 4] |
               uint32_t(static_cast<const uint16_t*>(rows[1].row)[lane / 4]) << 16;
    }
    warp_barrier();
}

// PTX ISA, "Matrix fragments for mma.m16n8k16" with .bf16.
static inline void multiply(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    using namespace emulator;
    const unsigned lane = block->current % 32;
    std::memcpy(own().a, a, 16);
    own().b[0] = b0;
    own().b[1] = b1;
    warp_barrier();
    for (int e = 0; e < 4; ++e) {
        const unsigned row = lane / 4 + e / 2 * 8, column = lane % 4 * 2 + e % 2;
        float sum = c[e];
        for (unsigned k = 0; k < 16; ++k) {
            const uint32_t left = warp()[row % 8 * 4 + k % 8 / 2].a[row / 8 + k / 8 * 2];
            const uint32_t right = warp()[column * 4 + k % 8 / 2].b[k / 8];
            const unsigned shift = k % 2 * 16;
            sum += float_of_bf16(left >> shift & 0xffff) * float_of_bf16(right >> shift & 0xffff);
        }
        c[e] = sum;
    }
    warp_barrier();
}

static inline uint32_t pack(float low, float high) {
    return emulator::bf16_of_float(low) | emulator::bf16_of_float(high) << 16;
}

static inline float exchange(float value, int lane_mask) {
    emulator::own().value = value;
    emulator::warp_barrier();
    const float other = emulator::warp()[emulator::block->current % 32 ^ lane_mask].value;
    emulator::warp_barrier();
    return other;
}

static inline float exp2_fast(float x) { return std::exp2(x); }

static inline float float_of_bits(uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}

// The C++ standard rounds each operation by itself, which the compiler is held to by -std.
static inline float rounded_sum(float a, float b) { return a + b; }
static inline float rounded_difference(float a, float b) { return a - b; }
static inline float rounded_product(float a, float b) { return a * b; }
static inline float rounded_quotient(float a, float b) { return a / b; }
static inline float exact_product(float a, float b) { return a * b; }
static inline float exact_quotient(float a, float b) { return a / b; }
static inline float rounded_root(float x) { return std::sqrt(x); }
static inline uint32_t bits_of_float(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    return bits;
}

static inline unsigned long long high_product(unsigned long long a, unsigned long long b) {
    return static_cast<unsigned __int128>(a) * b >> 64;
}

// A thread runs alone until it waits, so every addition is whole.
static inline void add_shared(unsigned long long* to, unsigned long long value) { *to += value; }

// An address in shared memory as the card counts it: from the first byte of the block's memory.
static inline uint32_t shared_address(const void* pointer) {
    return static_cast<uint32_t>(static_cast<const unsigned char*>(pointer) -
                                 emulator::block->shared.data());
}

static inline void publish_copies() {}
static inline void begin_products() {}
static inline void commit_products() {}

// A product runs when it is issued: the card may run it later, which no kernel may notice.
template <int LEFT>
static inline void wait_products() {}

namespace emulator {

// The bf16 at (row, k) of an operand that a descriptor names; PTX ISA, "Canonical layouts". Rows are
// those of a, or the columns of b. With the 128-byte swizzle, bits 4 to 6 of an address are exchanged
// with bits 7 to 9 by exclusive or.
static inline float operand(uint64_t descriptor, bool rows_contiguous, uint32_t row, uint32_t k) {
    const uint32_t start = static_cast<uint32_t>(descriptor & 0x3fff) << 4;
    const uint32_t leading = static_cast<uint32_t>(descriptor >> 16 & 0x3fff) << 4;
    const uint32_t stride = static_cast<uint32_t>(descriptor >> 32 & 0x3fff) << 4;
    if (descriptor >> 62 != 1) std::abort();
    const uint32_t logical = rows_contiguous
                                 ? start + row / 64 * leading + row % 64 * 2 + k / 8 * stride + k % 8 * 128
                                 : start + row / 8 * stride + row % 8 * 128 + k * 2;
    const uint32_t address = logical ^ (logical >> 7 & 7) << 4;
    uint16_t bits;
    std::memcpy(&bits, block->shared.data() + address, 2);
    return float_of_bf16(bits);
}

}  // namespace emulator

// c [64, 256] += a [64, 16] * b [16, 256]; warp w of the warpgroup holds rows 16 w and following.
template <bool STORED_NK>
static inline void multiply_tiles(float (&c)[32][4], uint64_t a, uint64_t b) {
    using namespace emulator;
    const unsigned lane = block->current % 32, warp_row = block->current / 32 % 4 * 16;
    for (int j = 0; j < 32; ++j)
        for (int e = 0; e < 4; ++e) {
            const uint32_t row = warp_row + lane / 4 + e / 2 * 8;
            const uint32_t column = 8 * j + lane % 4 * 2 + e % 2;
            for (uint32_t k = 0; k < 16; ++k)
                c[j][e] += operand(a, false, row, k) * operand(b, !STORED_NK, column, k);
        }
}
