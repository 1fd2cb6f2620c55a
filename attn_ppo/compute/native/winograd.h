// Convolutions by Toom-Cook's and Winograd's minimal filtering (Winograd 1980; Lavin and Gray 2016):
// 16 products a channel for the 36 of 3 x 3 outputs of a 2 x 2 filter, or of 2 x 2 of a 3 x 3 one.
//
// A filter of stride s is one of stride 1 over the s x s times as many channels of coarser pixels,
// so that 8x8 at stride 4 and 4x4 at stride 2 are 2x2 filters. A tile of 4 x 4 pixels is turned
// into 16 numbers a channel (B), filters likewise (G); their products, summed over the channels,
// into the outputs of the tile (A). Backward is the transposed algorithm: A', then products, then
// B' for the input and G' for the filters; no multiplication more than forward.
//
// All sums and differences: a window that sees only zeros beside one that doesn't would come out as
// rounding errors, which the normalisation of a cell then blows up. Which windows those are is known
// exactly, and they give the bias; a tile of nothing else is skipped.

#pragma once

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "direct.h"

enum { QUAD = 4 };  // the stride over bytes
typedef uint32_t quads __attribute__((vector_size(16), aligned(1), may_alias));
enum { TILE = 4, POINTS = TILE * TILE, TILES = 48 };  // TILES in work at once, a multiple of ROWS

static inline vec load(const float *p) { return at(p); }
static inline vec load(const uint8_t *p) {  // gcc converts vectors of bytes one by one
#if defined(__AVX512F__)
    return (vec)_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)));
#elif defined(__AVX2__)
    return (vec)_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
#else
    vec x;
    for (int i = 0; i < LANES; i++) x[i] = p[i];
    return x;
#endif
}

static inline void transform_input(const vec *d, long step, vec *v) {  // B
    vec d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step];
    v[0] = d0 - d2, v[step] = d1 + d2, v[2 * step] = d2 - d1, v[3 * step] = d3 - d1;
}

static inline void transpose_input(const vec *v, long step, vec *d) {  // B'
    vec v0 = v[0], v1 = v[step], v2 = v[2 * step], v3 = v[3 * step];
    d[0] = v0, d[step] = v1 - v2 - v3, d[2 * step] = v1 + v2 - v0, d[3 * step] = v3;
}

template <int M> static inline void transform_output(const vec *y, long step, vec *out, long to) {  // A
    vec y0 = y[0], y1 = y[step], y2 = y[2 * step], y3 = y[3 * step], sum = y1 + y2;
    out[0] = y0 + sum, out[to] = M == 3 ? y1 - y2 : y1 - y2 + y3;
    if (M == 3) out[2 * to] = sum + y3;
}

template <int M> static inline void transpose_output(const vec *g, long step, vec *u, long to) {  // A'
    vec g0 = g[0], g1 = g[step], last = g[(M - 1) * step], outer = M == 3 ? g0 + last : g0;
    u[0] = g0, u[to] = outer + g1, u[2 * to] = outer - g1, u[3 * to] = last;
}

template <int R> static inline void transform_filter(const float *g, long step, float *w, long to) {  // G
    float outer = R == 3 ? g[0] + g[2 * step] : g[0], inner = g[step];
    w[0] = g[0], w[to] = (outer + inner) / 2, w[2 * to] = (outer - inner) / 2;
    w[3 * to] = g[(R - 1) * step];
}

template <int R> static inline void transpose_filter(const vec *w, long step, vec *g, long to) {  // G'
    vec sum = (w[step] + w[2 * step]) * 0.5f, rest = (w[step] - w[2 * step]) * 0.5f;
    g[0] = w[0] + sum, g[to] = R == 3 ? rest : rest + w[3 * step];
    if (R == 3) g[2 * to] = sum + w[3 * step];
}

// How a convolution is cut into tiles of M x M outputs, of filters of R x R coarse pixels.
template <int M> struct Tiling {
    enum { R = TILE + 1 - M };
    long tiles, channels, filters, rows, cols, windows, size;  // rows, cols: of coarse pixels
    std::vector<long> pixel;     // coarse pixel -> offset within an image
    std::vector<long> lane;      // vector of channels -> offset within a coarse pixel
    std::vector<long> weight;    // coarse channel -> offset within a filter
    std::vector<int> pixels;     // (tiles, 4 * 4) -> coarse pixel, or -1 outside
    std::vector<int> outputs;    // (tiles, M * M) -> window, or -1 outside

    explicit Tiling(const Conv &c) : filters(c.filters) {
        long s = c.stride, high = (c.height - c.kernel) / s + 1, wide = (c.width - c.kernel) / s + 1;
        rows = high + R - 1, cols = wide + R - 1, windows = high * wide;
        channels = c.channels * s * s, size = c.channels * c.height * c.width;
        for (long y = 0; y < rows; y++)
            for (long x = 0; x < cols; x++)
                pixel.push_back(c.bytes ? (y * cols + x) * channels : (y * c.width + x) * s * c.channels);
        for (long k = 0; k < channels; k += LANES) {
            long run = s * c.channels;
            lane.push_back(c.bytes ? k : k / run * c.width * c.channels + k % run);
        }
        for (long k = 0; k < channels; k++) {  // bytes: (channel, y, x), floats: (y, x, channel)
            long ch = c.bytes ? k / (s * s) : k % c.channels, at = c.bytes ? k % (s * s) : k / c.channels;
            weight.push_back((ch * c.kernel + at / s) * c.kernel + at % s);
        }
        for (long y = 0; y < high; y += M)
            for (long x = 0; x < wide; x += M) {
                for (long i = 0; i < POINTS; i++) {
                    long v = y + i / TILE, u = x + i % TILE;
                    pixels.push_back(v < rows && u < cols ? v * cols + u : -1);
                }
                for (long i = 0; i < M * M; i++) {
                    long v = y + i / M, u = x + i % M;
                    outputs.push_back(v < high && u < wide ? v * wide + u : -1);
                }
            }
        tiles = pixels.size() / POINTS;
    }
};

// The side of a tile's outputs, 0 where the convolution is computed directly.
static int tile_outputs(const Conv &c) {
    long channels = c.channels * c.stride * c.stride;
    if (channels % BLOCK) return 0;
    if (c.bytes ? c.stride != QUAD || c.width < QUAD * (QUAD + 1) : c.channels * c.stride % LANES) return 0;
    return c.kernel == 2 * c.stride ? 3 : c.kernel == 3 && c.stride == 1 && !c.bytes ? 2 : 0;
}

// Filters as POINTS products of (channels, filters): for the outputs packed as (F / BLOCK, channels,
// BLOCK) each, for the input's gradient as (channels / BLOCK, F, BLOCK). By all threads together.
template <int M> static void pack_filters(const Conv &c, const Tiling<M> &t, const float *weight,
                                          bool transposed, float *packed) {
    enum { R = Tiling<M>::R };
    const long C = t.channels, F = c.filters, taps = c.channels * c.kernel * c.kernel;
    const float scale = c.bytes ? 255 : 1;
    Share share(F);
    for (long f = share.first; f < share.last; f++)
        for (long k = 0; k < C; k++) {
            const float *from = weight + f * taps + t.weight[k];
            float g[R * R], half[TILE * R], w[POINTS];
            for (int i = 0; i < R * R; i++)
                g[i] = from[(i / R * c.kernel + i % R) * c.stride] / scale;
            for (int i = 0; i < R; i++) transform_filter<R>(g + i, R, half + i, R);
            for (int i = 0; i < TILE; i++) transform_filter<R>(half + i * R, 1, w + i * TILE, 1);
            long to = transposed ? k / BLOCK * BLOCK * F + f * BLOCK + k % BLOCK
                                 : f / BLOCK * BLOCK * C + k * BLOCK + f % BLOCK;
            for (int i = 0; i < POINTS; i++) packed[i * C * F + to] = w[i];
        }
}

// Four rows of four times four bytes: four coarse pixels of one channel, each put together.
static inline void turn(const uint8_t *from, long row, uint8_t *to, long pixel) {
    typedef int32_t order __attribute__((vector_size(16)));
    quads a = *(quads *)from, b = *(quads *)(from + row), c = *(quads *)(from + 2 * row),
          d = *(quads *)(from + 3 * row);
    quads ac = __builtin_shuffle(a, c, (order){0, 4, 1, 5}), bd = __builtin_shuffle(b, d, (order){0, 4, 1, 5});
    *(quads *)to = __builtin_shuffle(ac, bd, (order){0, 4, 1, 5});
    *(quads *)(to + pixel) = __builtin_shuffle(ac, bd, (order){2, 6, 3, 7});
    ac = __builtin_shuffle(a, c, (order){2, 6, 3, 7}), bd = __builtin_shuffle(b, d, (order){2, 6, 3, 7});
    *(quads *)(to + 2 * pixel) = __builtin_shuffle(ac, bd, (order){0, 4, 1, 5});
    *(quads *)(to + 3 * pixel) = __builtin_shuffle(ac, bd, (order){2, 6, 3, 7});
}

// An image as the tiles read it: floats as they are, bytes with the channels of a coarse pixel
// beside each other. `seen` says of each coarse pixel whether any of its channels isn't zero.
template <int M>
static const float *read_image(const Conv &c, const Tiling<M> &t, const float *x, long n,
                               uint8_t *, uint8_t *seen) {
    const float *image = x + n * t.size;
    for (size_t i = 0; i < t.pixel.size(); i++) {
        ivec any = {};
        for (long offset : t.lane) any |= (ivec)at(image + t.pixel[i] + offset);
        seen[i] = 0;
        for (int l = 0; l < LANES; l++) seen[i] |= any[l] != 0;
    }
    return image;
}

template <int M>
static const uint8_t *read_image(const Conv &c, const Tiling<M> &t, const uint8_t *x, long n,
                                 uint8_t *room, uint8_t *seen) {
    const uint8_t *image = x + n * t.size;
    for (long y = 0; y < t.rows; y++)
        for (long ch = 0; ch < c.channels; ch++)
            for (long u = 0; u < t.cols; u += QUAD) {
                long first = u + QUAD <= t.cols ? u : t.cols - QUAD;
                const uint8_t *from = image + (ch * c.height + y * QUAD) * c.width + first * QUAD;
                turn(from, c.width, room + (y * t.cols + first) * t.channels + ch * QUAD * QUAD, t.channels);
            }
    for (size_t i = 0; i < t.pixel.size(); i++) {
        quads any = {};
        for (long k = 0; k < t.channels; k += sizeof any) any |= *(quads *)(room + i * t.channels + k);
        seen[i] = (any[0] | any[1] | any[2] | any[3]) != 0;
    }
    return room;
}

// Tiles that are worked on at once, of one thread.
template <int M, typename T> struct Batch {
    enum { R = Tiling<M>::R };
    const Tiling<M> &t;
    long count = 0, stride_v, stride_u;  // padded: else all points would share the cache's sets
    Floats v, u;                         // (POINTS, TILES, channels), and filters
    std::vector<T> nothing;              // what lies outside
    std::vector<uint8_t> room, seen;
    long image[TILES], tile[TILES];
    unsigned blank[TILES];  // bits: windows that see only zeros

    explicit Batch(const Tiling<M> &t)
        : t(t), stride_v(TILES * t.channels + 16), stride_u(TILES * t.filters + 16),
          v(POINTS * stride_v), u(POINTS * stride_u), nothing(t.lane.back() + LANES),
          room(t.pixel.size() * t.channels), seen(t.pixel.size()) {}

    // Bits of the windows of a tile that see only zeros, or that don't exist.
    unsigned blanks(long number) const {
        const int *pixels = &t.pixels[number * POINTS], *outputs = &t.outputs[number * M * M];
        unsigned bits = 0;
        for (int i = 0; i < M * M; i++) {
            bool any = false;
            for (int j = 0; outputs[i] >= 0 && j < R * R; j++)
                any |= seen[pixels[(i / M + j / R) * TILE + i % M + j % R]];
            bits |= (unsigned)!any << i;
        }
        return bits;
    }

    // Puts a tile into the batch, transformed.
    void add(long n, long number, unsigned bits, const T *from) {
        image[count] = n, tile[count] = number, blank[count] = bits;
        const T *at_pixel[POINTS];
        for (int i = 0; i < POINTS; i++) {
            int pixel = t.pixels[number * POINTS + i];
            at_pixel[i] = pixel < 0 ? nothing.data() : from + t.pixel[pixel];
        }
        float *to = v.data + count * t.channels;
        for (long offset : t.lane) {
            vec d[POINTS];
            for (int x = 0; x < TILE; x++) {
                vec column[TILE];
                for (int y = 0; y < TILE; y++) column[y] = load(at_pixel[y * TILE + x] + offset);
                transform_input(column, 1, column);
                for (int y = 0; y < TILE; y++) d[y * TILE + x] = column[y];
            }
            for (int y = 0; y < TILE; y++) {
                transform_input(d + y * TILE, 1, d + y * TILE);
                for (int x = 0; x < TILE; x++) at(to + (y * TILE + x) * stride_v) = d[y * TILE + x];
            }
            to += LANES;
        }
        count++;
    }
};

template <int M, typename T>
static void finish_outputs(const Conv &c, Batch<M, T> &b, const float *packed, const float *bias,
                           float *y) {
    const long C = b.t.channels, F = c.filters;
    const auto row = steps(TILES, C), to = steps(TILES, F), term = steps(C, 1), block = steps(F, BLOCK);
    for (int p = 0; p < POINTS; p++)
        multiply<true>({b.count, C, F, b.v.data + p * b.stride_v, row.data(), term.data(),
                        packed + p * C * F, b.u.data + p * b.stride_u, to.data(), block.data()});
    for (long i = 0; i < b.count; i++) {
        const int *outputs = &b.t.outputs[b.tile[i] * M * M];
        for (long f = 0; f < F; f += LANES) {
            const float *from = b.u.data + i * F + f;
            vec d[POINTS], half[M * TILE], out[M * M], start = at(bias + f);
            for (int j = 0; j < POINTS; j++) d[j] = at(from + j * b.stride_u);
            for (int x = 0; x < TILE; x++) transform_output<M>(d + x, TILE, half + x, TILE);
            for (int x = 0; x < M; x++) transform_output<M>(half + x * TILE, 1, out + x * M, 1);
            for (int j = 0; j < M * M; j++) {
                if (outputs[j] < 0) continue;
                vec sum = b.blank[i] >> j & 1 ? start : out[j] + start;
                at(y + (b.image[i] * b.t.windows + outputs[j]) * F + f) = activate(sum, c.activation);
            }
        }
    }
    b.count = 0;
}

// The images from the first to the last, by one thread.
template <int M, typename T>
static void convolve_images(const Conv &c, Batch<M, T> &b, const float *packed, const float *bias,
                            const T *x, long first, long last, float *y) {
    const long F = c.filters;
    for (long n = first; n < last; n++) {
        const T *image = read_image(c, b.t, x, n, b.room.data(), b.seen.data());
        for (long i = 0; i < b.t.tiles; i++) {
            unsigned bits = b.blanks(i);
            if (bits + 1 == 1u << M * M) {  // only zeros
                for (int j = 0; j < M * M; j++) {
                    long window = b.t.outputs[i * M * M + j];
                    for (long f = 0; window >= 0 && f < F; f += LANES)
                        at(y + (n * b.t.windows + window) * F + f) = activate(at(bias + f), c.activation);
                }
                continue;
            }
            b.add(n, i, bits, image);
            if (b.count == TILES) finish_outputs(c, b, packed, bias, y);
        }
    }
    finish_outputs(c, b, packed, bias, y);
}

template <int M, typename T>
static void convolve_tiled(const Conv &c, const T *x, const float *weight, const float *bias, float *y) {
    const Tiling<M> t(c);
    Floats packed(POINTS * t.channels * c.filters);
#pragma omp parallel
    {
        pack_filters(c, t, weight, false, packed.data);
#pragma omp barrier
        Batch<M, T> b(t);
        Share share(c.images);
        convolve_images(c, b, packed.data, bias, x, share.first, share.last, y);
    }
}

// The gradient of a tile's outputs, transformed: u (POINTS, F / BLOCK, TILES, BLOCK); `bias` += it.
template <int M, typename T>
static void add_output_gradient(const Conv &c, Batch<M, T> &b, const float *y, const float *dy, float *bias) {
    const long i = b.count - 1, F = c.filters;
    const int *outputs = &b.t.outputs[b.tile[i] * M * M];
    for (long f = 0; f < F; f += LANES) {
        vec g[M * M], half[TILE * M], u[POINTS], sum = at(bias + f);
        for (int j = 0; j < M * M; j++) {
            long at_window = (b.image[i] * b.t.windows + outputs[j]) * F + f;
            g[j] = outputs[j] < 0 ? sum - sum : at(dy + at_window) * slope(at(y + at_window), c.activation);
            sum += g[j];
        }
        at(bias + f) = sum;
        for (int x = 0; x < M; x++) transpose_output<M>(g + x, M, half + x, M);
        for (int x = 0; x < TILE; x++) transpose_output<M>(half + x * M, 1, u + x * TILE, 1);
        float *to = b.u.data + f / BLOCK * BLOCK * TILES + i * BLOCK + f % BLOCK;
        for (int j = 0; j < POINTS; j++) at(to + j * b.stride_u) = u[j];
    }
}

// dx += of the batch's tiles, whose transformed gradients are in b.v.
template <int M> static void add_input_tiles(Batch<M, float> &b, float *dx) {
    for (long i = 0; i < b.count; i++) {
        const int *pixels = &b.t.pixels[b.tile[i] * POINTS];
        float *image = dx + b.image[i] * b.t.size, *from = b.v.data + i * b.t.channels;
        for (long offset : b.t.lane) {
            vec d[POINTS];
            for (int j = 0; j < POINTS; j++) d[j] = at(from + j * b.stride_v);
            for (int x = 0; x < TILE; x++) transpose_input(d + x, TILE, d + x);
            for (int x = 0; x < TILE; x++) transpose_input(d + x * TILE, 1, d + x * TILE);
            for (int j = 0; j < POINTS; j++)
                if (pixels[j] >= 0) at(image + b.t.pixel[pixels[j]] + offset) += d[j];
            from += LANES;
        }
    }
}
static void add_input_tiles(Batch<3, uint8_t> &, float *) {}  // bytes have no gradient

template <int M, typename T> struct Backward {
    const Conv &c;
    Tiling<M> t;
    long C, F;
    const std::vector<int32_t> channel, by_channel, by_filter, tile_of_v, tile_of_u, block;
    Floats packed, sums;  // sums: of a thread (POINTS, channels, filters), and of its bias

    Backward(const Conv &c, bool with_input)
        : c(c), t(c), C(t.channels), F(c.filters), channel(steps(C, 1)), by_channel(steps(C, F)),
          by_filter(in_blocks(F, TILES)), tile_of_v(steps(TILES, C)), tile_of_u(steps(TILES, BLOCK)),
          block(steps(C + F, BLOCK)), packed(with_input * POINTS * C * F),
          sums(omp_get_max_threads() * size()) {}
    long size() const { return (POINTS * C + 1) * F; }

    void run(const T *x, const float *y, const float *dy, float *dx, float *sum) {
        Batch<M, T> b(t);
        Share share(c.images);
        for (long n = share.first; n < share.last; n++) {
            const T *image = read_image(c, t, x, n, b.room.data(), b.seen.data());
            if (dx) memset(dx + n * t.size, 0, t.size * sizeof(float));
            for (long i = 0; i < t.tiles; i++) {
                b.add(n, i, 0, image);
                add_output_gradient(c, b, y, dy, sum + POINTS * C * F);
                if (!dx && b.blanks(i) + 1 == 1u << M * M) b.count--;  // multiplies nothing but zeros
                if (b.count == TILES) finish(b, dx, sum);
            }
        }
        finish(b, dx, sum);
    }

    void finish(Batch<M, T> &b, float *dx, float *sum) {
        for (int p = 0; p < POINTS; p++)
            multiply<false>({C, b.count, F, b.v.data + p * b.stride_v, channel.data(), tile_of_v.data(),
                             b.u.data + p * b.stride_u, sum + p * C * F, by_channel.data(), block.data(),
                             TILES * BLOCK});
        for (int p = 0; dx && p < POINTS; p++)
            multiply<true>({b.count, F, C, b.u.data + p * b.stride_u, tile_of_u.data(), by_filter.data(),
                            packed.data + p * C * F, b.v.data + p * b.stride_v, tile_of_v.data(),
                            block.data()});
        if (dx) add_input_tiles(b, dx);
        b.count = 0;
    }

    // From all threads' sums, by all of them together.
    void gather(float *dweight, float *dbias) {
        enum { R = Tiling<M>::R };
        const long taps = c.channels * c.kernel * c.kernel, threads = omp_get_num_threads();
        Share share(C);
        for (long k = share.first; k < share.last; k++)
            for (long f = 0; f < F; f += LANES) {
                vec w[POINTS], half[R * TILE], g[R * R];
                for (int p = 0; p < POINTS; p++) {
                    const float *from = sums.data + (p * C + k) * F + f;
                    w[p] = at(from);
                    for (long i = 1; i < threads; i++) w[p] += at(from + i * size());
                }
                for (int x = 0; x < TILE; x++) transpose_filter<R>(w + x, TILE, half + x, TILE);
                for (int x = 0; x < R; x++) transpose_filter<R>(half + x * TILE, 1, g + x * R, 1);
                for (int i = 0; i < R * R; i++)
                    for (int l = 0; l < LANES; l++)
                        dweight[(f + l) * taps + t.weight[k] + (i / R * c.kernel + i % R) * c.stride] =
                            g[i][l] / (c.bytes ? 255 : 1);
            }
        if (omp_get_thread_num()) return;
        for (long f = 0; f < F; f++) {
            dbias[f] = 0;
            for (long i = 0; i < threads; i++) dbias[f] += sums.data[i * size() + POINTS * C * F + f];
        }
    }
};

template <int M, typename T>
static void convolve_tiled_backward(const Conv &c, const T *x, const float *weight, const float *y,
                                    const float *dy, float *dx, float *dweight, float *dbias) {
    Backward<M, T> back(c, dx);
#pragma omp parallel
    {
        if (dx) pack_filters(c, back.t, weight, true, back.packed.data);
#pragma omp barrier
        back.run(x, y, dy, dx, back.sums.data + omp_get_thread_num() * back.size());
#pragma omp barrier
        back.gather(dweight, dbias);
    }
}
