// The arithmetic that all layers share: vectors, activations, and `tile`, the loop that does nearly
// all of it: ROWS x BLOCK sums in registers, one broadcast load and COLS multiply-adds a row.

#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>
#ifdef _OPENMP
#include <omp.h>
#else
static int omp_get_num_threads() { return 1; }
static int omp_get_max_threads() { return 1; }
static int omp_get_thread_num() { return 0; }
#endif

// As many sums as fit into the registers beside one row of `b` and one broadcast.
#if defined(__AVX512F__)
enum { LANES = 16, COLS = 2, ROWS = 12 };
#elif defined(__AVX__)
enum { LANES = 8, COLS = 2, ROWS = 6 };
#else
enum { LANES = 4, COLS = 4, ROWS = 4 };
#endif
enum { BLOCK = LANES * COLS };
enum Activation { NONE, RELU, ELU };

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
static inline vec &at(const float *p) { return *(vec *)p; }

struct Floats {  // zeros, aligned to cache lines
    float *data;
    explicit Floats(size_t count) : data((float *)aligned_alloc(64, (count * 4 + 64) / 64 * 64)) {
        memset(data, 0, count * 4);
    }
    ~Floats() { free(data); }
    Floats(const Floats &) = delete;
};

struct Share {  // the images of one thread
    long first, last;
    explicit Share(long images) {
        long threads = omp_get_num_threads(), me = omp_get_thread_num();
        first = images * me / threads, last = images * (me + 1) / threads;
    }
};

static inline vec exp_of_negative(vec x) {  // Cephes' polynomial, relative error below 2e-7
    vec floor = x - x - 87.0f;
    x = x > floor ? x : floor;
    ivec n = __builtin_convertvector(x * 1.44269504f - 0.5f, ivec);
    vec whole = __builtin_convertvector(n, vec);
    vec f = x - whole * 0.693359375f + whole * 2.12194440e-4f;
    vec p = f * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * f + 8.3334519073e-3f;
    p = p * f + 4.1665795894e-2f;
    p = p * f + 1.6666665459e-1f;
    p = p * f + 5.0000001201e-1f;
    p = p * f * f + f + 1.0f;
    return p * (vec)((n + 127) << 23);
}

static inline vec activate(vec x, long activation) {
    vec zero = x - x, negative = x > zero ? zero : x;
    if (activation == RELU) return x - negative;
    if (activation == ELU) return x > zero ? x : exp_of_negative(negative) - 1.0f;
    return x;
}

static inline vec slope(vec y, long activation) {  // of the activation, from its value
    vec zero = y - y, one = zero + 1.0f;
    if (activation == RELU) return y > zero ? one : zero;
    if (activation == ELU) return y > zero ? one : y + 1.0f;
    return one;
}

// out[r] += sum of rows[r][offsets[i]] * b[i] over i < count, with b[i] the i-th BLOCK of b.
// A forward pass starts from the bias instead of `out`. Not unrolled, and without the activation:
// gcc then keeps every sum in a register.
// What b holds is fetched AHEAD numbers before its turn.
template <bool FORWARD, int R, int AHEAD = 0>
static inline __attribute__((always_inline)) void tile(const float *const *rows, float *const *out,
                                           const int32_t *offsets, long count, const float *b,
                                           const float *bias) {
    vec sums[R][COLS];
    const float *row[R];
    for (int r = 0; r < R; r++) {
        row[r] = rows[r];
        if (FORWARD)
            for (int c = 0; c < BLOCK; c += 16) __builtin_prefetch(out[r] + c, 1);
        for (int c = 0; c < COLS; c++) sums[r][c] = at((FORWARD ? bias : out[r]) + c * LANES);
    }
#pragma GCC unroll 1
    for (long i = 0; i < count; i++, b += BLOCK) {
        long offset = offsets[i];
        vec bs[COLS];
        for (int c = 0; c < COLS; c++) bs[c] = at(b + c * LANES);
        for (int c = 0; AHEAD && c < BLOCK; c += 16) __builtin_prefetch(b + AHEAD + c);
        for (int r = 0; r < R; r++)
            for (int c = 0; c < COLS; c++) sums[r][c] += row[r][offset] * bs[c];
    }
    for (int r = 0; r < R; r++)
        for (int c = 0; c < COLS; c++)
            at(out[r] + c * LANES) = sums[r][c];
}

// What `multiply` multiplies: out[r][c] is the sum over i < depth of rows[r][i] * b[i][c].
struct Product {
    long count, depth, columns;    // of rows, of terms, of columns, which are multiples of BLOCK
    const float *rows;
    const int32_t *row, *term;     // where row r begins, and term i in it
    const float *b;                // (columns / BLOCK, depth, BLOCK)
    float *out;
    const int32_t *to, *block;     // where row r goes, and BLOCK number c / BLOCK in it
    long apart = 0;                // between the blocks of b, depth * BLOCK unless they are longer
};

// Adds to `out`; FORWARD puts there instead, from the bias on.
template <bool FORWARD> static void multiply(const Product &p, const float *bias = nullptr) {
    static const float zeros[BLOCK] = {};
    enum { FEW = ROWS / 3 };
    float unused[BLOCK] = {};
    const float *b = p.b, *rows[ROWS];
    float *out[ROWS];
    for (long c = 0; c < p.columns; c += BLOCK, b += p.apart ? p.apart : p.depth * BLOCK) {
        float *to = p.out + p.block[c / BLOCK];
        const float *start = bias ? bias + c : zeros;
        long n = 0;
        for (; n + ROWS <= p.count; n += ROWS) {
            for (int r = 0; r < ROWS; r++) rows[r] = p.rows + p.row[n + r], out[r] = to + p.to[n + r];
            tile<FORWARD, ROWS>(rows, out, p.term, p.depth, b, start);
        }
        for (; n < p.count; n += FEW) {
            for (int r = 0; r < FEW; r++) {
                bool inside = n + r < p.count;
                rows[r] = p.rows + p.row[inside ? n + r : n];
                out[r] = inside ? to + p.to[n + r] : unused;
            }
            tile<FORWARD, FEW>(rows, out, p.term, p.depth, b, start);
        }
    }
}

static std::vector<int32_t> steps(long count, long size) {  // 0, size, 2 size, ...
    std::vector<int32_t> found(count);
    for (long i = 0; i < count; i++) found[i] = i * size;
    return found;
}

// Where each of `rows` terms lies in (rows / BLOCK, count, BLOCK).
static std::vector<int32_t> in_blocks(long rows, long count) {
    std::vector<int32_t> found(rows);
    for (long i = 0; i < rows; i++) found[i] = i / BLOCK * BLOCK * count + i % BLOCK;
    return found;
}
