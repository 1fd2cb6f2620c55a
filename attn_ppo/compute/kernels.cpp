// The network's layers for CPUs, fp32: convolution, normalisation, attention's read-out and gate,
// forward and backward, each with its activation fused in. kernels.py builds and calls them.
//
// One loop does nearly all of the arithmetic: `tile` adds up ROWS x BLOCK sums in registers, one
// broadcast load and COLS multiply-adds a row. Its operands are addressed through a table of
// offsets, so the same loop serves the convolution (offsets of the taps of a window), the
// gradient of its weights (offsets of the windows) and that of its input (offsets of the filters),
// without a patch ever being copied. Images are shared out evenly over the threads and partial
// sums added in the order of the threads: the same thread count gives the same bits.
//
// Images are (height, width, channels) floats, the observations (channels, height, width) bytes.

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

struct Conv {  // as in kernels.py
    long images, channels, height, width, filters, kernel, stride, bytes, activation;
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
// A forward pass starts from the bias instead of `out`, and ends in the activation.
// Not unrolled: gcc then keeps every sum in a register.
template <bool FORWARD>
static inline __attribute__((always_inline)) void tile(const float *const *rows, float *const *out,
                                           const int32_t *offsets, long count, const float *b,
                                           const float *bias = nullptr, long activation = NONE) {
    vec sums[ROWS][COLS];
    const float *row[ROWS];
    for (int r = 0; r < ROWS; r++) {
        row[r] = rows[r];
        for (int c = 0; c < COLS; c++) sums[r][c] = at((FORWARD ? bias : out[r]) + c * LANES);
    }
#pragma GCC unroll 1
    for (long i = 0; i < count; i++, b += BLOCK) {
        long offset = offsets[i];
        vec bs[COLS];
        for (int c = 0; c < COLS; c++) bs[c] = at(b + c * LANES);
        for (int r = 0; r < ROWS; r++)
            for (int c = 0; c < COLS; c++) sums[r][c] += row[r][offset] * bs[c];
    }
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < COLS; c++)
            at(out[r] + c * LANES) = FORWARD ? activate(sums[r][c], activation) : sums[r][c];
}

struct Plan {  // where things lie
    long windows, taps, size, group;  // per image, except the images that are worked on at once
    std::vector<int32_t> tap;         // k -> offset within a window
    std::vector<int32_t> window;      // window of the group -> offset
    std::vector<long> weight;         // k -> offset within a filter's (channels, kernel, kernel)

    explicit Plan(const Conv &c) {
        long rows = (c.height - c.kernel) / c.stride + 1, cols = (c.width - c.kernel) / c.stride + 1;
        long channel = c.bytes ? c.height * c.width : 1, pixel = c.bytes ? 1 : c.channels;
        windows = rows * cols, taps = c.channels * c.kernel * c.kernel;
        size = c.channels * c.height * c.width;
        group = c.bytes ? 1 : (143 + windows) / windows;  // its share of everything stays in L2
        // k runs through a window in the order of memory.
        long n[] = {c.bytes ? c.channels : c.kernel, c.kernel, c.bytes ? c.kernel : c.channels};
        for (long i = 0; i < n[0]; i++)
            for (long j = 0; j < n[1]; j++)
                for (long k = 0; k < n[2]; k++) {
                    long ch = c.bytes ? i : k, y = c.bytes ? j : i, x = c.bytes ? k : j;
                    tap.push_back(ch * channel + (y * c.width + x) * pixel);
                    weight.push_back((ch * c.kernel + y) * c.kernel + x);
                }
        for (long i = 0; i < group; i++)
            for (long y = 0; y < rows; y++)
                for (long x = 0; x < cols; x++)
                    window.push_back(i * size + (y * c.width + x) * c.stride * pixel);
    }
};

// The group of images that begins at image n, as floats.
static const float *floats(const Conv &c, const Plan &plan, const void *x, long n, Floats &room) {
    if (!c.bytes) return (const float *)x + n * plan.size;
    const uint8_t *bytes = (const uint8_t *)x + n * plan.size;
    for (long i = 0; i < plan.size; i++) room.data[i] = bytes[i];
    return room.data;
}

extern "C" void convolve(const Conv *conv, const void *x, const float *weight, const float *bias,
                         float *y) {
    const Conv &c = *conv;
    const Plan plan(c);
    const long K = plan.taps, F = c.filters;
    Floats packed(K * F);  // (F / BLOCK, K, BLOCK)
    for (long f = 0; f < F; f++)
        for (long k = 0; k < K; k++)
            packed.data[f / BLOCK * BLOCK * K + k * BLOCK + f % BLOCK] =
                weight[f * K + plan.weight[k]] / (c.bytes ? 255 : 1);
#pragma omp parallel
    {
        Share share(c.images);
        Floats room(c.bytes ? plan.size : 0), unused(BLOCK);
        for (long n = share.first; n < share.last; n += plan.group) {
            long images = n + plan.group < share.last ? plan.group : share.last - n;
            long count = images * plan.windows;
            const float *image = floats(c, plan, x, n, room);
            float *to = y + n * plan.windows * F;
            for (long p = 0; p < count; p += ROWS)
                for (long f = 0; f < F; f += BLOCK) {
                    const float *rows[ROWS];
                    float *out[ROWS];
                    for (int r = 0; r < ROWS; r++) {
                        bool inside = p + r < count;
                        rows[r] = image + plan.window[inside ? p + r : p];
                        out[r] = inside ? to + (p + r) * F + f : unused.data;
                    }
                    tile<true>(rows, out, plan.tap.data(), K, packed.data + f * K, bias + f,
                               c.activation);
                }
        }
    }
}

// A second 1x1 layer of few maps on top of y, whose gradient is known.
struct Readout {  // as in kernels.py
    long maps;
    const float *weight, *dscores;  // (maps, F), (images, windows, maps)
    float *dweight;
};

// dy times the slope of the activation, for a group of images: g is (F / BLOCK, count, BLOCK).
// `sums` holds the gradients of the bias and of the read-out's weights.
static void pre_activation(const Conv &c, const Readout *readout, long windows, long n, long count,
                           const float *y, const float *dy, float *g, float *sums) {
    const long F = c.filters;
    for (long p = 0; p < count; p++) {
        const float *from = y + (n * windows + p) * F;
        for (long f = 0; f < F; f += LANES) {
            vec value = at(from + f), grad = value - value;
            if (readout) {
                const float *d = readout->dscores + (n * windows + p) * readout->maps;
                for (long m = 0; m < readout->maps; m++) {
                    grad += d[m] * at(readout->weight + m * F + f);
                    at(sums + (m + 1) * F + f) += d[m] * value;
                }
            } else {
                grad = at(dy + (n * windows + p) * F + f);
            }
            grad *= slope(value, c.activation);
            at(g + f / BLOCK * BLOCK * count + p * BLOCK + f % BLOCK) = grad;
            at(sums + f) += grad;
        }
    }
}

// dweight (K, F) += of a group of images.
static void add_weight_gradient(const Plan &plan, long F, long count, const float *image,
                                const float *g, float *dweight, float *unused) {
    for (long f = 0; f < F; f += BLOCK)
        for (long k = 0; k < plan.taps; k += ROWS) {
            const float *rows[ROWS];
            float *out[ROWS];
            for (int r = 0; r < ROWS; r++) {
                bool inside = k + r < plan.taps;
                rows[r] = image + plan.tap[inside ? k + r : k];
                out[r] = inside ? dweight + (k + r) * F + f : unused;
            }
            tile<false>(rows, out, plan.window.data(), count, g + f * count);
        }
}

// dx += of a group of images; `packed` is (K / BLOCK, F, BLOCK).
static void add_input_gradient(const Plan &plan, long F, long count, const float *g,
                               const float *packed, float *dx, float *unused) {
    std::vector<int32_t> filter;
    for (long f = 0; f < F; f++) filter.push_back(f / BLOCK * BLOCK * count + f % BLOCK);
    for (long p = 0; p < count; p += ROWS)
        for (long k = 0; k < plan.taps; k += BLOCK) {
            const float *rows[ROWS];
            float *out[ROWS];
            for (int r = 0; r < ROWS; r++) {
                bool inside = p + r < count;
                rows[r] = g + (inside ? p + r : p) * BLOCK;
                out[r] = inside ? dx + plan.window[p + r] + plan.tap[k] : unused;
            }
            tile<false>(rows, out, filter.data(), F, packed + k * F);
        }
}

// From dy or from what reads y out, whichever is given; dx is left out where it is null.
extern "C" void convolve_backward(const Conv *conv, const Readout *readout, const void *x,
                                  const float *weight, const float *y, const float *dy, float *dx,
                                  float *dweight, float *dbias) {
    const Conv &c = *conv;
    const Plan plan(c);
    const long K = plan.taps, F = c.filters, maps = readout ? readout->maps : 0;
    const long rows = K + 1 + maps;  // of the sums: weights, bias, read-out
    Floats packed(dx ? K * F : 0), sums(omp_get_max_threads() * rows * F);
    for (long k = 0; dx && k < K; k++)
        for (long f = 0; f < F; f++)
            packed.data[(k / BLOCK * F + f) * BLOCK + k % BLOCK] = weight[f * K + plan.weight[k]];
    int threads = 1;
#pragma omp parallel
    {
        Share share(c.images);
        if (omp_get_thread_num() == 0) threads = omp_get_num_threads();
        float *sum = sums.data + omp_get_thread_num() * rows * F;
        Floats room(c.bytes ? plan.size : 0), unused(BLOCK), g(plan.group * plan.windows * F);
        for (long n = share.first; n < share.last; n += plan.group) {
            long images = n + plan.group < share.last ? plan.group : share.last - n;
            long count = images * plan.windows;
            const float *image = floats(c, plan, x, n, room);
            pre_activation(c, readout, plan.windows, n, count, y, dy, g.data, sum + K * F);
            add_weight_gradient(plan, F, count, image, g.data, sum, unused.data);
            if (!dx) continue;
            memset(dx + n * plan.size, 0, images * plan.size * sizeof(float));
            add_input_gradient(plan, F, count, g.data, packed.data, dx + n * plan.size, unused.data);
        }
    }
    for (long i = 1; i < threads; i++)
        for (long j = 0; j < rows * F; j++) sums.data[j] += sums.data[i * rows * F + j];
    for (long f = 0; f < F; f++) {
        for (long k = 0; k < K; k++)
            dweight[f * K + plan.weight[k]] = sums.data[k * F + f] / (c.bytes ? 255 : 1);
        dbias[f] = sums.data[K * F + f];
        for (long m = 0; m < maps; m++) readout->dweight[m * F + f] = sums.data[(K + 1 + m) * F + f];
    }
}

// scores (pixels, maps) of y (pixels, F).
extern "C" void read_out(long pixels, long F, long maps, const float *y, const float *weight,
                         const float *bias, float *scores) {
#pragma omp parallel
    {
        Share share(pixels);
        for (long p = share.first; p < share.last; p++)
            for (long m = 0; m < maps; m++) {
                vec sums = at(y + p * F) * at(weight + m * F);
                for (long f = LANES; f < F; f += LANES) sums += at(y + p * F + f) * at(weight + m * F + f);
                float sum = bias[m];
                for (int i = 0; i < LANES; i++) sum += sums[i];
                scores[p * maps + m] = sum;
            }
    }
}

// y = x / |x| per cell of C channels, the squared norm floored at 1e-12; `inverse` keeps 1 / |x|.
extern "C" void normalize(long cells, long C, const float *x, float *y, float *inverse) {
#pragma omp parallel
    {
        Share share(cells);
        for (long p = share.first; p < share.last; p++) {
            vec sums = at(x + p * C) * at(x + p * C);
            for (long i = LANES; i < C; i += LANES) sums += at(x + p * C + i) * at(x + p * C + i);
            float sum = 0;
            for (int i = 0; i < LANES; i++) sum += sums[i];
            inverse[p] = 1 / __builtin_sqrtf(sum > 1e-12f ? sum : 1e-12f);
            for (long i = 0; i < C; i += LANES) at(y + p * C + i) = at(x + p * C + i) * inverse[p];
        }
    }
}

// dx = (dy - y (y . dy)) / |x|; where the floor held, y is not of length one and dx = dy / 1e-6.
extern "C" void normalize_backward(long cells, long C, const float *y, const float *inverse,
                                   const float *dy, float *dx) {
#pragma omp parallel
    {
        Share share(cells);
        for (long p = share.first; p < share.last; p++) {
            vec sums = at(y + p * C) * at(dy + p * C);
            for (long i = LANES; i < C; i += LANES) sums += at(y + p * C + i) * at(dy + p * C + i);
            float dot = 0;
            for (int i = 0; i < LANES; i++) dot += sums[i];
            if (inverse[p] >= 1e6f) dot = 0;
            for (long i = 0; i < C; i += LANES)
                at(dx + p * C + i) = (at(dy + p * C + i) - at(y + p * C + i) * dot) * inverse[p];
        }
    }
}

// y (images, C, cells) = x (images, cells, C) times the weight of the cell.
extern "C" void gate(long images, long cells, long C, const float *x, const float *weight, float *y) {
#pragma omp parallel
    {
        Share share(images);
        for (long n = share.first; n < share.last; n++)
            for (long i = 0; i < C; i++)
                for (long p = 0; p < cells; p++)
                    y[(n * C + i) * cells + p] = x[(n * cells + p) * C + i] * weight[n * cells + p];
    }
}

extern "C" void gate_backward(long images, long cells, long C, const float *x, const float *weight,
                              const float *dy, float *dx, float *dweight) {
#pragma omp parallel
    {
        Share share(images);
        for (long n = share.first; n < share.last; n++)
            for (long p = 0; p < cells; p++) {
                const float *from = dy + n * C * cells + p, *features = x + (n * cells + p) * C;
                float sum = 0;
                for (long i = 0; i < C; i++) {
                    sum += features[i] * from[i * cells];
                    dx[(n * cells + p) * C + i] = from[i * cells] * weight[n * cells + p];
                }
                dweight[n * cells + p] = sum;
            }
    }
}

extern "C" long block() { return BLOCK; }
