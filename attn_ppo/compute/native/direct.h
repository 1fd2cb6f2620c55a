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
        group = c.bytes ? 1 : (95 + windows) / windows;  // its share of everything stays in L2
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

// A second 1x1 layer of few maps on top of y, and its gradients.
struct Readout {  // as in kernels.py
    long maps;
    const float *weight, *bias;  // (maps, F), (maps)
    float *scores;               // (images, windows, maps)
    const float *dscores;
    float *dweight;
};

// The activation of `pixels` rows of F sums, and, while they are in the cache, what reads them out.
static void activate_rows(long activation, const Readout *readout, long first, long pixels, long F, float *y) {
    for (long p = 0; p < pixels; p++) {
        float *row = y + p * F;
        if (activation == ELU)
            for (long f = 0; f < F; f += LANES) at(row + f) = activate(at(row + f), ELU);
        else
            for (long f = 0; f < F; f += LANES) at(row + f) = activate(at(row + f), activation);
        for (long m = 0; readout && m < readout->maps; m++) {
            const float *weight = readout->weight + m * F;
            vec sums = at(row) * at(weight);
            for (long f = LANES; f < F; f += LANES) sums += at(row + f) * at(weight + f);
            float sum = readout->bias[m];
            for (int i = 0; i < LANES; i++) sum += sums[i];
            readout->scores[(first + p) * readout->maps + m] = sum;
        }
    }
}

static void convolve_direct(const Conv &c, const Readout *readout, const void *x, const float *weight,
                            const float *bias, float *y) {
    const Plan plan(c);
    const long K = plan.taps, F = c.filters, most = plan.group * plan.windows;
    Floats packed(K * F);  // (F / BLOCK, K, BLOCK)
    for (long f = 0; f < F; f++)
        for (long k = 0; k < K; k++)
            packed.data[f / BLOCK * BLOCK * K + k * BLOCK + f % BLOCK] =
                weight[f * K + plan.weight[k]] / (c.bytes ? 255 : 1);
    const auto to = steps(most, F), block = steps(F / BLOCK, BLOCK);
#pragma omp parallel
    {
        Share share(c.images);
        Floats room(c.bytes ? plan.size : 0);
        for (long n = share.first; n < share.last; n += plan.group) {
            long images = n + plan.group < share.last ? plan.group : share.last - n;
            long first = n * plan.windows, count = images * plan.windows;
            multiply<true>({count, K, F, floats(c, plan, x, n, room), plan.window.data(), plan.tap.data(),
                            packed.data, y + first * F, to.data(), block.data()},
                           bias);
            activate_rows(c.activation, readout, first, count, F, y + first * F);
        }
    }
}

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

// From dy or from what reads y out, whichever is given; dx is left out where it is null.
static void convolve_direct_backward(const Conv &c, const Readout *readout, const void *x,
                                     const float *weight, const float *y, const float *dy,
                                     float *dx, float *dweight, float *dbias) {
    const Plan plan(c);
    const long K = plan.taps, F = c.filters, maps = readout ? readout->maps : 0;
    const long rows = K + 1 + maps;  // of the sums: weights, bias, read-out
    const long most = plan.group * plan.windows;
    Floats packed(dx ? K * F : 0), sums(omp_get_max_threads() * rows * F);  // (K / BLOCK, F, BLOCK)
    for (long k = 0; dx && k < K; k++)
        for (long f = 0; f < F; f++)
            packed.data[(k / BLOCK * F + f) * BLOCK + k % BLOCK] = weight[f * K + plan.weight[k]];
    const auto by_tap = steps(K, F), block = steps(F / BLOCK, BLOCK), by_window = steps(most, BLOCK);
    std::vector<int32_t> tap;  // of each BLOCK of taps
    for (long k = 0; k < K; k += BLOCK) tap.push_back(plan.tap[k]);
    int threads = 1;
#pragma omp parallel
    {
        Share share(c.images);
        if (omp_get_thread_num() == 0) threads = omp_get_num_threads();
        float *sum = sums.data + omp_get_thread_num() * rows * F;
        Floats room(c.bytes ? plan.size : 0), g(most * F);
        for (long n = share.first; n < share.last; n += plan.group) {
            long images = n + plan.group < share.last ? plan.group : share.last - n;
            long count = images * plan.windows;
            const float *image = floats(c, plan, x, n, room);
            pre_activation(c, readout, plan.windows, n, count, y, dy, g.data, sum + K * F);
            multiply<false>({K, count, F, image, plan.tap.data(), plan.window.data(), g.data, sum,
                             by_tap.data(), block.data()});
            if (!dx) continue;
            memset(dx + n * plan.size, 0, images * plan.size * sizeof(float));
            multiply<false>({count, F, K, g.data, by_window.data(), in_blocks(F, count).data(), packed.data,
                             dx + n * plan.size, plan.window.data(), tap.data()});
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
