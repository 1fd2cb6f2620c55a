// Convolutions forward and backward, each with its activation fused in, without a patch ever being
// copied: `tile` addresses its operands through a table of offsets, so the same loop serves the
// convolution (offsets of the taps of a window), the gradient of its weights (offsets of the
// windows) and that of its input (offsets of the filters).

#pragma once

#include "tile.h"

struct Conv {  // as in kernels.py
    long images, channels, height, width, filters, kernel, stride, bytes, activation;
};

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

static void convolve_direct(const Conv &c, const void *x, const float *weight, const float *bias,
                            float *y) {
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
static void convolve_direct_backward(const Conv &c, const Readout *readout, const void *x,
                                     const float *weight, const float *y, const float *dy,
                                     float *dx, float *dweight, float *dbias) {
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
