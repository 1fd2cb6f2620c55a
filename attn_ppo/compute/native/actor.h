// The network as it acts: few observations, the same weights for a whole rollout. Every layer is a
// convolution whose weights are packed once: the body covers a whole image, the heads a pixel.

#pragma once

#include <algorithm>
#include <memory>

#include "cells.h"
#include "winograd.h"

enum { PART = 128 };    // products of a long sum that are added one after the other
enum { AHEAD = 3072 };  // numbers of the weights: few rows wait for the cache, not for products

struct Layer {
    Conv conv;
    long windows, width;  // of an image; filters, rounded up to whole blocks
    Floats bias;

    Layer(const Conv &c, const float *b)
        : conv(c), windows(((c.height - c.kernel) / c.stride + 1) * ((c.width - c.kernel) / c.stride + 1)),
          width((c.filters + BLOCK - 1) / BLOCK * BLOCK), bias(width) {
        memcpy(bias.data, b, c.filters * sizeof(float));
    }
    virtual ~Layer() {}
    virtual void furnish(size_t threads) = 0;  // with what each of them needs
    // y (images, windows, width) of x, by one thread.
    virtual void run(long images, const void *x, float *y, int thread) = 0;
};

struct Direct : Layer {
    Plan plan;
    Floats weights;  // (width / BLOCK, taps, BLOCK)
    std::vector<std::unique_ptr<Floats>> rooms;

    Direct(const Conv &c, const float *weight, const float *b)
        : Layer(c, b), plan(c), weights(width * plan.taps) {
#pragma omp parallel for
        for (long first = 0; first < width; first += BLOCK)
            for (long k = 0; k < plan.taps; k++)
                for (long f = first; f < first + BLOCK && f < c.filters; f++)
                    weights.data[first * plan.taps + k * BLOCK + f - first] =
                        weight[f * plan.taps + plan.weight[k]] / (c.bytes ? 255 : 1);
    }

    void furnish(size_t threads) override {
        while (conv.bytes && rooms.size() < threads) rooms.emplace_back(new Floats(plan.size));
    }

    void run(long images, const void *x, float *y, int thread) override {
        if (!conv.bytes) return blocks(images, (const float *)x, y, 0, width / BLOCK);
        for (long n = 0; n < images; n++)
            blocks(1, floats(conv, plan, x, n, *rooms[thread]), y + n * windows * width, 0, width / BLOCK);
    }

    // From the first to the last block of filters.
    void blocks(long images, const float *x, float *y, long first, long last) const {
        const long all = images * windows;
        for (long f = first * BLOCK; f < last * BLOCK; f += BLOCK)
            for (long p = 0; p < all; p += ROWS) {
                const long count = all - p < ROWS ? all - p : ROWS;
                const float *rows[ROWS];
                float *out[ROWS];
                for (long r = 0; r < count; r++) {
                    rows[r] = x + (p + r) / windows * plan.size + plan.window[(p + r) % windows];
                    out[r] = y + (p + r) * width + f;
                }
                block(f, count, rows, out);
            }
    }

    // The block of filters from f on, for `height` windows. Long sums are added up in parts, which
    // round less: 3,136 products one after the other would lose a digit.
    template <int HEIGHT = ROWS>
    void block(long f, long height, const float *const *rows, float *const *out) const {
        if constexpr (HEIGHT > 1)
            if (height < HEIGHT) return block<HEIGHT - 1>(f, height, rows, out);
        const long K = plan.taps, part = windows > 1 ? K : PART;
        const float *b = weights.data + f * K, *start = bias.data + f;
        static const float zero[BLOCK] = {};
        vec sums[HEIGHT][COLS];
        for (int r = 0; r < HEIGHT; r++)
            for (int c = 0; c < COLS; c++) sums[r][c] = at(start + c * LANES);
        for (long k = 0; k < K; k += part) {
            const long count = k + part < K ? part : K - k;
            tile<true, HEIGHT, HEIGHT < ROWS ? AHEAD : 0>(rows, out, plan.tap.data() + k, count,
                                                          b + k * BLOCK, zero);
            for (int r = 0; r < HEIGHT; r++)
                for (int c = 0; c < COLS; c++) sums[r][c] += at(out[r] + c * LANES);
        }
        for (int r = 0; r < HEIGHT; r++)
            for (int c = 0; c < COLS; c++)
                at(out[r] + c * LANES) = activate(sums[r][c], conv.activation);
    }
};

template <int M, typename T> struct Tiled : Layer {
    Tiling<M> tiling;
    Floats weights;
    std::vector<std::unique_ptr<Batch<M, T>>> batches;

    Tiled(const Conv &c, const float *weight, const float *b)
        : Layer(c, b), tiling(c), weights(POINTS * tiling.channels * c.filters) {
#pragma omp parallel
        pack_filters(c, tiling, weight, false, weights.data);
    }

    void furnish(size_t threads) override {
        while (batches.size() < threads) batches.emplace_back(new Batch<M, T>(tiling));
    }

    void run(long images, const void *x, float *y, int thread) override {
        convolve_images(conv, *batches[thread], weights.data, bias.data, (const T *)x, 0, images, y);
    }
};

static Layer *packed(const Conv &c, const float *weight, const float *bias) {
    const int side = tile_outputs(c, true);
    if (side == 0) return new Direct(c, weight, bias);
    if (c.bytes) return new Tiled<3, uint8_t>(c, weight, bias);
    return new Tiled<2, float>(c, weight, bias);
}

struct Actor {
    enum { TOGETHER = 4 };  // images that a thread works on at once: what it holds stays in L2
    std::vector<std::unique_ptr<Layer>> encoder;
    std::unique_ptr<Direct> score, body, heads;
    long maps, cells, channels, pixels;  // pixels: bytes of an observation
    Floats readout, readout_bias;        // (maps, hidden), (maps)
    long room = 0;                       // floats of the largest layer but the last
    std::vector<std::unique_ptr<Floats>> rooms;

    Actor(long convolutions, const Conv *convs, const float *const *weights,
          const float *const *biases, long maps, const float *w, const float *b)
        : maps(maps), readout(maps ? maps * convs[convolutions].filters : 0), readout_bias(maps) {
        long i = 0;
        for (; i < convolutions; i++) encoder.emplace_back(packed(convs[i], weights[i], biases[i]));
        auto next = [&] { i++; return new Direct(convs[i - 1], weights[i - 1], biases[i - 1]); };
        if (maps) {
            score.reset(next());
            memcpy(readout.data, w, maps * score->width * sizeof(float));
            memcpy(readout_bias.data, b, maps * sizeof(float));
        }
        body.reset(next()), heads.reset(next());
        pixels = convs[0].channels * convs[0].height * convs[0].width;
        cells = encoder.back()->windows, channels = encoder.back()->width;
        for (const auto &layer : encoder) room = std::max(room, TOGETHER * layer->windows * layer->width);
    }

    void furnish() {  // before threads need it
        const size_t threads = omp_get_max_threads();
        for (const auto &layer : encoder) layer->furnish(threads);
        while (rooms.size() < threads) rooms.emplace_back(new Floats(2 * room));
    }
};

// Up to TOGETHER images of bytes -> features (images, cells, channels) after the last activation.
static void encode(const Actor &actor, long images, const uint8_t *obs, float *features, int thread) {
    const void *x = obs;
    for (size_t i = 0; i < actor.encoder.size(); i++) {
        const bool last = i + 1 == actor.encoder.size();
        float *y = last ? features : actor.rooms[thread]->data + i % 2 * actor.room;
        actor.encoder[i]->run(images, x, y, thread);
        x = y;
    }
}

// scores (images, maps, cells); the hidden units of some cells are read out before they leave L1.
static void read_scores(const Actor &actor, long images, const float *features, float *scores) {
    const Direct &layer = *actor.score;
    const long maps = actor.maps, all = images * actor.cells;
    Floats sums(ROWS * maps * LANES);
    alignas(64) float hidden[ROWS * BLOCK];
    for (long p = 0; p < all; p += ROWS) {
        const long count = all - p < ROWS ? all - p : ROWS;
        const float *rows[ROWS];
        float *out[ROWS];
        for (long r = 0; r < count; r++)
            rows[r] = features + (p + r) * actor.channels, out[r] = hidden + r * BLOCK;
        memset(sums.data, 0, ROWS * maps * LANES * sizeof(float));
        for (long f = 0; f < layer.width; f += BLOCK) {
            layer.block(f, count, rows, out);
            for (long r = 0; r < count; r++)
                for (long m = 0; m < maps; m++)
                    for (long i = 0; i < BLOCK; i += LANES)
                        at(sums.data + (r * maps + m) * LANES) +=
                            at(out[r] + i) * at(actor.readout.data + m * layer.width + f + i);
        }
        for (long r = 0; r < count; r++)
            for (long m = 0; m < maps; m++) {
                float sum = actor.readout_bias.data[m];
                for (int i = 0; i < LANES; i++) sum += sums.data[(r * maps + m) * LANES + i];
                scores[((p + r) / actor.cells * maps + m) * actor.cells + (p + r) % actor.cells] = sum;
            }
    }
}

// The encoder's layers, what scores (with maps), body and heads; then what reads the scores out.
extern "C" Actor *freeze(long convolutions, long maps, const Conv *convs,
                         const float *const *weights, const float *const *biases,
                         const float *readout, const float *readout_bias) {
    return new Actor(convolutions, convs, weights, biases, maps, readout, readout_bias);
}

extern "C" void thaw(Actor *actor) { delete actor; }

// obs (images, channels, height, width) bytes -> features (images, cells, channels), of length one
// where there is attention, and scores (images, maps, cells).
extern "C" void look(long images, Actor *actor, const uint8_t *obs, float *features, float *scores) {
    actor->furnish();
    const long cells = actor->cells, channels = actor->channels;
#pragma omp parallel
    {
        Share share(images);
        for (long n = share.first; n < share.last; n += Actor::TOGETHER) {
            const long left = share.last - n, count = left < Actor::TOGETHER ? left : Actor::TOGETHER;
            float *x = features + n * cells * channels;
            encode(*actor, count, obs + n * actor->pixels, x, omp_get_thread_num());
            if (!actor->maps) continue;
            for (long p = 0; p < count * cells; p++) unit(channels, x + p * channels, x + p * channels);
            read_scores(*actor, count, x, scores + n * actor->maps * cells);
        }
    }
}

// features (images, cells, channels), each times the weight of its cell where weights are given ->
// y (images, actions + 1, rounded up to whole blocks): logits and value.
extern "C" void decide(long images, const Actor *actor, float *features, const float *weights,
                       float *hidden, float *y) {
    const long cells = actor->cells, channels = actor->channels;
#pragma omp parallel
    {
        Share mine(images), blocks(actor->body->width / BLOCK);
        for (long p = mine.first * cells; weights && p < mine.last * cells; p++)
            for (long i = 0; i < channels; i += LANES) at(features + p * channels + i) *= weights[p];
#pragma omp barrier
        actor->body->blocks(images, features, hidden, blocks.first, blocks.last);
#pragma omp barrier
        const long size = actor->body->width;
        actor->heads->run(mine.last - mine.first, hidden + mine.first * size,
                          y + mine.first * actor->heads->width, 0);
    }
}
