// The network's layers for CPUs, fp32: convolution, normalisation, attention's read-out and gate,
// forward and backward, each with its activation fused in. kernels.py builds and calls them.
//
// Convolutions are Toom-Cook's (Winograd 1980; Lavin & Gray 2016), the points 0, 1, -1, infinity in
// both directions. A kernel with stride s is first one of stride 1 over blocks of s x s pixels,
// which become s * s times the channels; that leaves 2x2 kernels (8x8 stride 4, 4x4 stride 2),
// 3x3 and 1x1. 4x4 patches of the input are lifted to 16 products of matrices, which are dropped to
// 3x3 or 2x2 outputs: 16 multiplications for what takes 36 otherwise. Gradients go the same way
// back, through the transposes. What is left is `product`, whose inner loop, `tile`, does nearly
// all of the arithmetic. A 1x1 kernel is that product alone.
//
// Images are shared out evenly over the threads, and partial sums added in the order of the
// threads: the same number of threads gives the same bits.
// Images are (height, width, channels) floats, the observations (channels, height, width) bytes.

#include <cstdint>
#include <cstdlib>
#include <cstring>
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

struct Matrix {  // element (i, k) is data[i * row + k * step]
    const float *data;
    long row, step;
};

// (ROWS, BLOCK) of `out` += `a` times `b`, whose k-th BLOCK begins at b[k * b_step]; of the rows
// the first `valid` are kept. Not unrolled: gcc then keeps every sum in a register.
template <bool ADD>
static inline __attribute__((always_inline)) void tile(Matrix a, long count, const float *b,
                                                       long b_step, float *out, long out_row,
                                                       long valid) {
    vec sums[ROWS][COLS];
    const float *row[ROWS];
    for (int r = 0; r < ROWS; r++) {
        long inside = r < valid ? r : 0;
        row[r] = a.data + inside * a.row;
        for (int c = 0; c < COLS; c++)
            sums[r][c] = ADD ? at(out + inside * out_row + c * LANES) : vec{};
    }
#pragma GCC unroll 1
    for (long k = 0; k < count; k++, b += b_step) {
        vec bs[COLS];
        for (int c = 0; c < COLS; c++) bs[c] = at(b + c * LANES);
        for (int r = 0; r < ROWS; r++)
            for (int c = 0; c < COLS; c++) sums[r][c] += row[r][k * a.step] * bs[c];
    }
    for (int r = 0; r < ROWS; r++)
        if (r < valid)
            for (int c = 0; c < COLS; c++) at(out + r * out_row + c * LANES) = sums[r][c];
}

// out (rows, cols) = or, if ADD, += a (rows, count) times b (count, cols). The i-th BLOCK of
// columns of b begins at b[i * b_block].
template <bool ADD>
static void product(long rows, long count, long cols, Matrix a, const float *b, long b_block,
                    long b_step, float *out) {
    for (long j = 0; j < cols; j += BLOCK, b += b_block)
        for (long i = 0; i < rows; i += ROWS) {
            const float *from = a.data + i * a.row;
            float *to = out + i * cols + j;
            long valid = rows - i < ROWS ? rows - i : long(ROWS);
            if (a.step == 1)  // known steps are better code
                tile<ADD>({from, a.row, 1}, count, b, b_step, to, cols, valid);
            else
                tile<ADD>({from, 1, a.step}, count, b, b_step, to, cols, valid);
        }
}

// The four transforms in one direction, on elements `s` apart; T is float or vec. R is the size
// of the kernel over blocks, M that of the output: M + R - 1 = 4, or 1 if R = 1.
template <class T> static inline void lift(T *d, int s) {
    T a = d[0] - d[2 * s], b = d[s] + d[2 * s], c = d[2 * s] - d[s], e = d[s] - d[3 * s];
    d[0] = a, d[s] = b, d[2 * s] = c, d[3 * s] = e;
}
template <class T> static inline void lift_transposed(T *v, int s) {
    T a = v[0], b = v[s] - v[2 * s] + v[3 * s], c = v[s] + v[2 * s] - v[0], e = -v[3 * s];
    v[0] = a, v[s] = b, v[2 * s] = c, v[3 * s] = e;
}
template <int R, class T> static inline void drop(T *m, int s) {
    T sum = m[s] + m[2 * s], difference = m[s] - m[2 * s], last = m[3 * s];
    m[0] = m[0] + sum;
    m[s] = R == 2 ? difference : difference - last;
    if (R == 2) m[2 * s] = sum - last;
}
template <int R, class T> static inline void drop_transposed(T *y, int s) {
    T a = y[0], b = y[s], c = R == 2 ? y[2 * s] : y[s] - y[s];
    y[s] = a + b + c, y[2 * s] = a - b + c, y[3 * s] = R == 2 ? -c : -b;
}
template <int R> static inline void weigh(float *g, int s) {
    float a = g[0], b = g[s], c = R == 3 ? g[2 * s] : 0;
    g[s] = (a + b + c) / 2, g[2 * s] = (a - b + c) / 2, g[3 * s] = R == 3 ? c : b;
}
template <int R> static inline void weigh_transposed(float *u, int s) {
    float half = (u[s] + u[2 * s]) / 2, other = (u[s] - u[2 * s]) / 2, last = u[3 * s];
    u[0] += half, u[s] = R == 3 ? other : other + last;
    if (R == 3) u[2 * s] = half + last;
}

template <int R> struct Layer {
    enum { M = R == 1 ? 1 : 5 - R, D = M + R - 1, POINTS = D * D };
    const Conv &c;
    long F, depth;                  // filters, channels of a block
    long rows, cols, down, across;  // outputs and patches in both directions
    long patches, wide, size;       // of an image: patches, blocks in a padded row, floats
    long group, room;               // images worked on at once; floats of their padded blocks

    explicit Layer(const Conv &conv) : c(conv) {
        F = c.filters, depth = c.channels * c.stride * c.stride;
        rows = (c.height - c.kernel) / c.stride + 1, cols = (c.width - c.kernel) / c.stride + 1;
        down = (rows + M - 1) / M, across = (cols + M - 1) / M, patches = down * across;
        wide = across * M + R - 1, size = c.channels * c.height * c.width;
        group = (47 + patches) / patches;  // enough rows for `product`, little enough for the cache
        room = (down * M + R - 1) * wide * depth;
    }

    // The channel of a pixel of a block is the depth of the block's.
    long deep(long channel, long y, long x) const {
        return c.bytes ? (channel * c.stride + y) * c.stride + x
                       : (y * c.stride + x) * c.channels + channel;
    }

    // An image to its blocks, (down * M + R - 1, wide, depth), and back.
    void to_blocks(const void *images, long n, float *blocks) const {
        long s = c.stride, run = s * c.channels, high = c.height / s * s, across = c.width / s;
        const uint8_t *bytes = (const uint8_t *)images + n * size;
        const float *floats = (const float *)images + n * size;
        for (long y = 0; y < high && !c.bytes; y++)
            for (long x = 0; x < across; x++)
                memcpy(blocks + (y / s * wide + x) * depth + y % s * run,
                       floats + (y * c.width + x * s) * c.channels, run * 4);
        for (long i = 0; i < c.channels * high && c.bytes; i++) {
            long channel = i / high, y = i % high;
            float row[4096];
            for (long x = 0; x < c.width; x++) row[x] = bytes[(channel * c.height + y) * c.width + x];
            float *to = blocks + y / s * wide * depth + (channel * s + y % s) * s;
            for (long x = 0; x < across; x++) {
                if (s == 4) memcpy(to + x * depth, row + x * 4, 16);  // known sizes are inlined
                else memcpy(to + x * depth, row + x * s, s * 4);
            }
        }
    }
    void from_blocks(const float *blocks, float *image) const {
        long s = c.stride, run = s * c.channels;
        memset(image, 0, size * 4);
        for (long y = 0; y < c.height / s * s; y++)
            for (long x = 0; x + s <= c.width; x += s)
                memcpy(image + (y * c.width + x) * c.channels,
                       blocks + (y / s * wide + x / s) * depth + y % s * run, run * 4);
    }

    // Blocks of one image to rows of the lifted (POINTS, total, depth), and back, added up.
    void lift_all(const float *blocks, float *lifted, long total) const {
        for (long t = 0; t < patches; t++)
            for (long k = 0; k < depth; k += LANES) {
                const float *corner = blocks + (t / across * M * wide + t % across * M) * depth + k;
                vec d[16];
                for (int i = 0; i < 16; i++) d[i] = at(corner + (i / 4 * wide + i % 4) * depth);
                for (int i = 0; i < 4; i++) lift(d + 4 * i, 1);
                for (int i = 0; i < 4; i++) lift(d + i, 4);
                for (int i = 0; i < 16; i++) at(lifted + (i * total + t) * depth + k) = d[i];
            }
    }
    void add_lifted(const float *lifted, long total, float *blocks) const {
        for (long t = 0; t < patches; t++)
            for (long k = 0; k < depth; k += LANES) {
                float *corner = blocks + (t / across * M * wide + t % across * M) * depth + k;
                vec d[16];
                for (int i = 0; i < 16; i++) d[i] = at(lifted + (i * total + t) * depth + k);
                for (int i = 0; i < 4; i++) lift_transposed(d + 4 * i, 1);
                for (int i = 0; i < 4; i++) lift_transposed(d + i, 4);
                for (int i = 0; i < 16; i++) at(corner + (i / 4 * wide + i % 4) * depth) += d[i];
            }
    }

    // Products of one image, rows of (POINTS, total, F), to its activated outputs.
    void drop_all(const float *products, long total, const float *bias, float *y) const {
        for (long t = 0; t < patches; t++) {
            const long top = t / across * M, left = t % across * M;
            for (long f = 0; f < F; f += LANES) {
                vec m[16];
                for (int i = 0; i < POINTS; i++) m[i] = at(products + (i * total + t) * F + f);
                if (R > 1) {
                    for (int i = 0; i < 4; i++) drop<R>(m + 4 * i, 1);
                    for (int i = 0; i < M; i++) drop<R>(m + i, 4);
                }
                for (int i = 0; i < M * M; i++) {
                    long row = top + i / M, col = left + i % M;
                    if (row < rows && col < cols)
                        at(y + (row * cols + col) * F + f) =
                            activate(m[i / M * 4 + i % M] + at(bias + f), c.activation);
                }
            }
        }
    }

    // Weights (F, channels, kernel, kernel) to U (POINTS, F / BLOCK, depth, BLOCK) or, transposed,
    // to (POINTS, depth / BLOCK, F, BLOCK); and their gradient back from (POINTS, depth, F).
    // Bytes are as if divided by 255.
    void transform_weights(const float *weight, float *u, bool transposed) const {
        each_weight([&](long f, long k, const long *from) {
            float g[16] = {};
            for (int i = 0; i < R * R; i++)
                g[i / R * 4 + i % R] = weight[from[i]] / (c.bytes ? 255 : 1);
            if (R > 1) {
                for (int i = 0; i < R; i++) weigh<R>(g + 4 * i, 1);
                for (int i = 0; i < 4; i++) weigh<R>(g + i, 4);
            }
            long to = transposed ? (k / BLOCK * F + f) * BLOCK + k % BLOCK
                                 : (f / BLOCK * depth + k) * BLOCK + f % BLOCK;
            for (int i = 0; i < POINTS; i++) u[i * depth * F + to] = g[i];
        });
    }
    void gradient_of_weights(const float *du, float *dweight) const {
        each_weight([&](long f, long k, const long *to) {
            float g[16];
            for (int i = 0; i < POINTS; i++) g[i] = du[(i * depth + k) * F + f];
            if (R > 1) {
                for (int i = 0; i < 4; i++) weigh_transposed<R>(g + 4 * i, 1);
                for (int i = 0; i < R; i++) weigh_transposed<R>(g + i, 4);
            }
            for (int i = 0; i < R * R; i++)
                dweight[to[i]] = g[i / R * 4 + i % R] / (c.bytes ? 255 : 1);
        });
    }
    // For each filter and depth, where the R x R weights lie.
    template <class Function> void each_weight(Function function) const {
        long s = c.stride, K = c.kernel;
        for (long channel = 0; channel < c.channels; channel++)
            for (long y = 0; y < s; y++)
                for (long x = 0; x < s; x++)
                    for (long f = 0; f < F; f++) {
                        long index[9];
                        for (int i = 0; i < R * R; i++)
                            index[i] = ((f * c.channels + channel) * K + i / R * s + y) * K +
                                       i % R * s + x;
                        function(f, deep(channel, y, x), index);
                    }
    }
};

// A second 1x1 layer of few maps on top of y, whose gradient is known.
struct Readout {  // as in kernels.py
    long maps;
    const float *weight, *dscores;  // (maps, F), (images, pixels, maps)
    float *dweight;
};

// Gradients before the activation, from dy or from the read-out, whichever is given. `sums` (1 +
// maps, F) gathers those of the bias and of the read-out's weights.
struct Gradient {
    const Conv &c;
    const Readout *readout;
    const float *y, *dy;
    long pixels;
    float *sums;

    vec before_activation(long n, long pixel, long f) const {
        const long F = c.filters, from = (n * pixels + pixel) * F + f;
        vec value = at(y + from), grad = {};
        if (readout) {
            const float *d = readout->dscores + (n * pixels + pixel) * readout->maps;
            for (long m = 0; m < readout->maps; m++) {
                grad += d[m] * at(readout->weight + m * F + f);
                at(sums + (m + 1) * F + f) += d[m] * value;
            }
        } else {
            grad = at(dy + from);
        }
        grad *= slope(value, c.activation);
        at(sums + f) += grad;
        return grad;
    }
};

// The gradient of one image's products, rows of (POINTS, total, F).
template <int R>
static void gradient_of_products(const Layer<R> &l, const Gradient &gradient, long n, float *dproducts,
                                 long total) {
    enum { M = Layer<R>::M };
    for (long t = 0; t < l.patches; t++) {
        const long top = t / l.across * M, left = t % l.across * M;
        for (long f = 0; f < l.F; f += LANES) {
            vec m[16] = {};
            for (int i = 0; i < M * M; i++) {
                long row = top + i / M, col = left + i % M;
                if (row < l.rows && col < l.cols)
                    m[i / M * 4 + i % M] = gradient.before_activation(n, row * l.cols + col, f);
            }
            if (R > 1) {
                for (int i = 0; i < M; i++) drop_transposed<R>(m + 4 * i, 1);
                for (int i = 0; i < 4; i++) drop_transposed<R>(m + i, 4);
            }
            for (int i = 0; i < Layer<R>::POINTS; i++) at(dproducts + (i * total + t) * l.F + f) = m[i];
        }
    }
}

template <int R>
static void forward(const Conv &c, const void *x, const float *u, const float *bias, float *y) {
    const Layer<R> l(c);
    const long total = l.group * l.patches + 1, weights = l.depth * l.F;
    enum { POINTS = Layer<R>::POINTS };
#pragma omp parallel
    {
        Share share(c.images);
        Floats blocks(l.room), lifted(POINTS * total * l.depth), products(POINTS * total * l.F);
        for (long n = share.first; n < share.last; n += l.group) {
            long images = n + l.group < share.last ? l.group : share.last - n;
            float *to = y + n * l.rows * l.cols * l.F;
            const float *from = (const float *)x + n * l.size;
            for (long i = 0; R > 1 && i < images; i++) {
                l.to_blocks(x, n + i, blocks.data);
                l.lift_all(blocks.data, lifted.data + i * l.patches * l.depth, total);
            }
            for (long p = 0; p < POINTS; p++)
                product<false>(images * l.patches, l.depth, l.F,
                               {R > 1 ? lifted.data + p * total * l.depth : from, l.depth, 1},
                               u + p * weights, l.depth * BLOCK, BLOCK,
                               R > 1 ? products.data + p * total * l.F : to);
            for (long i = 0; i < images; i++)
                l.drop_all((R > 1 ? products.data : to) + i * l.patches * l.F, total, bias,
                           to + i * l.rows * l.cols * l.F);
        }
    }
}

template <int R>
static void backward(const Conv &c, const Readout *readout, const void *x, const float *weight,
                     const float *y, const float *dy, float *dx, float *dweight, float *dbias) {
    const Layer<R> l(c);
    enum { POINTS = Layer<R>::POINTS };
    const long total = l.group * l.patches + 1, weights = l.depth * l.F, maps = readout ? readout->maps : 0;
    const long row = POINTS * weights + (1 + maps) * l.F;  // sums of a thread: du, bias, read-out
    Floats u(dx ? POINTS * weights : 0), sums(omp_get_max_threads() * row);
    if (dx) l.transform_weights(weight, u.data, true);
    int threads = 1;
#pragma omp parallel
    {
        Share share(c.images);
        if (omp_get_thread_num() == 0) threads = omp_get_num_threads();
        float *du = sums.data + omp_get_thread_num() * row;
        Gradient gradient = {c, readout, y, dy, l.rows * l.cols, du + POINTS * weights};
        Floats blocks(l.room), lifted(POINTS * total * l.depth), dproducts(POINTS * total * l.F);
        for (long n = share.first; n < share.last; n += l.group) {
            long images = n + l.group < share.last ? l.group : share.last - n;
            const float *from = (const float *)x + n * l.size;
            for (long i = 0; i < images; i++) {
                if (R > 1) {
                    l.to_blocks(x, n + i, blocks.data);
                    l.lift_all(blocks.data, lifted.data + i * l.patches * l.depth, total);
                }
                gradient_of_products(l, gradient, n + i, dproducts.data + i * l.patches * l.F, total);
            }
            for (long p = 0; p < POINTS; p++)
                product<true>(l.depth, images * l.patches, l.F,
                              {R > 1 ? lifted.data + p * total * l.depth : from, 1, l.depth},
                              dproducts.data + p * total * l.F, BLOCK, l.F, du + p * weights);
            for (long p = 0; dx && p < POINTS; p++)
                product<false>(images * l.patches, l.F, l.depth,
                               {dproducts.data + p * total * l.F, l.F, 1}, u.data + p * weights,
                               l.F * BLOCK, BLOCK,
                               R > 1 ? lifted.data + p * total * l.depth : dx + n * l.size);
            for (long i = 0; R > 1 && dx && i < images; i++) {
                Floats dblocks(l.room);
                l.add_lifted(lifted.data + i * l.patches * l.depth, total, dblocks.data);
                l.from_blocks(dblocks.data, dx + (n + i) * l.size);
            }
        }
    }
    for (long i = 1; i < threads; i++)
        for (long j = 0; j < row; j++) sums.data[j] += sums.data[i * row + j];
    l.gradient_of_weights(sums.data, dweight);
    const float *rest = sums.data + POINTS * weights;
    memcpy(dbias, rest, l.F * 4);
    if (readout) memcpy(readout->dweight, rest + l.F, maps * l.F * 4);
}

// The weights as `convolve` wants them, and for a 1x1 kernel one product, otherwise 16.
extern "C" void transform(const Conv *c, const float *weight, float *u) {
    switch (c->kernel / c->stride) {
        case 1: return Layer<1>(*c).transform_weights(weight, u, false);
        case 2: return Layer<2>(*c).transform_weights(weight, u, false);
        case 3: return Layer<3>(*c).transform_weights(weight, u, false);
    }
}

extern "C" void convolve(const Conv *c, const void *x, const float *u, const float *bias, float *y) {
    switch (c->kernel / c->stride) {
        case 1: return forward<1>(*c, x, u, bias, y);
        case 2: return forward<2>(*c, x, u, bias, y);
        case 3: return forward<3>(*c, x, u, bias, y);
    }
}

// dx is left out where it is null.
extern "C" void convolve_backward(const Conv *c, const Readout *readout, const void *x,
                                  const float *weight, const float *y, const float *dy, float *dx,
                                  float *dweight, float *dbias) {
    switch (c->kernel / c->stride) {
        case 1: return backward<1>(*c, readout, x, weight, y, dy, dx, dweight, dbias);
        case 2: return backward<2>(*c, readout, x, weight, y, dy, dx, dweight, dbias);
        case 3: return backward<3>(*c, readout, x, weight, y, dy, dx, dweight, dbias);
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
