// How a convolution is cut into tiles for winograd.h, and what becomes of tiles and filters before
// they are multiplied with each other.

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

// The side of a tile's outputs, 0 where the convolution is computed directly: so is, forward, 4x4 at
// stride 2, whose small outputs beside large ones would get the errors of these. The cells that are
// made of them are divided by their length: gradients of trained agents were off by 2e-5, not 2e-6.
static int tile_outputs(const Conv &c, bool forward) {
    long channels = c.channels * c.stride * c.stride;
    if (channels % BLOCK) return 0;
    if (c.bytes ? c.stride != QUAD || c.width < QUAD * (QUAD + 1) : c.channels * c.stride % LANES) return 0;
    if (c.kernel == 2 * c.stride) return c.bytes || !forward ? 3 : 0;
    return c.kernel == 3 && c.stride == 1 && !c.bytes ? 2 : 0;
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
