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

#include "tiling.h"

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
