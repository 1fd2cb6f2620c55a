// The network as it acts: few observations, the same weights for a whole rollout. Every layer is a
// convolution whose weights are packed once: the body covers a whole image, the heads a pixel.

#pragma once

#include "cells.h"
#include "direct.h"

enum { PART = 128 };  // products that are added one after the other

struct Packed {  // a layer
    Conv conv;
    Plan plan;
    long width;            // filters, rounded up to whole blocks
    Floats weights, bias;  // (width / BLOCK, taps, BLOCK), (width)

    Packed(const Conv &c, const float *weight, const float *b)
        : conv(c), plan(c), width((c.filters + BLOCK - 1) / BLOCK * BLOCK),
          weights(width * plan.taps), bias(width) {
#pragma omp parallel for
        for (long first = 0; first < width; first += BLOCK)
            for (long k = 0; k < plan.taps; k++)
                for (long f = first; f < first + BLOCK && f < c.filters; f++)
                    weights.data[first * plan.taps + k * BLOCK + f - first] =
                        weight[f * plan.taps + plan.weight[k]] / (c.bytes ? 255 : 1);
        memcpy(bias.data, b, c.filters * sizeof(float));
    }
};

// The block of filters from f on, for `count` windows. Long sums are added up in parts, which round
// less: 3,136 products one after the other would lose a digit.
template <int HEIGHT = ROWS>
static void windows(const Packed &layer, long f, long count, const float *const *rows,
                    float *const *out) {
    if constexpr (HEIGHT > 1)
        if (count < HEIGHT) return windows<HEIGHT - 1>(layer, f, count, rows, out);
    const long K = layer.plan.taps, part = layer.plan.windows > 1 ? K : PART;
    const int32_t *tap = layer.plan.tap.data();
    const float *weights = layer.weights.data + f * K, *bias = layer.bias.data + f;
    if (K <= part) return tile<true, HEIGHT>(rows, out, tap, K, weights, bias, layer.conv.activation);
    vec sums[HEIGHT][COLS];
    for (int r = 0; r < HEIGHT; r++)
        for (int c = 0; c < COLS; c++) sums[r][c] = at(bias + c * LANES);
    const float zero[BLOCK] = {};
    for (long k = 0; k < K; k += part) {
        tile<true, HEIGHT>(rows, out, tap + k, k + part < K ? part : K - k, weights + k * BLOCK, zero);
        for (int r = 0; r < HEIGHT; r++)
            for (int c = 0; c < COLS; c++) sums[r][c] += at(out[r] + c * LANES);
    }
    for (int r = 0; r < HEIGHT; r++)
        for (int c = 0; c < COLS; c++)
            at(out[r] + c * LANES) = activate(sums[r][c], layer.conv.activation);
}

// y (images, windows, width) of x, from the first to the last block of filters.
static void apply(const Packed &layer, long images, const float *x, float *y, long first,
                     long last) {
    const Plan &plan = layer.plan;
    const long all = images * plan.windows;
    for (long f = first * BLOCK; f < last * BLOCK; f += BLOCK)
        for (long p = 0; p < all; p += ROWS) {
            const long count = all - p < ROWS ? all - p : ROWS;
            const float *rows[ROWS];
            float *out[ROWS];
            for (long r = 0; r < count; r++) {
                rows[r] = x + (p + r) / plan.windows * plan.size + plan.window[(p + r) % plan.windows];
                out[r] = y + (p + r) * layer.width + f;
            }
            windows(layer, f, count, rows, out);
        }
}

static void apply(const Packed &layer, long images, const float *x, float *y) {
    apply(layer, images, x, y, 0, layer.width / BLOCK);
}

struct Actor {
    enum { TOGETHER = 4 };  // images that a thread works on at once: what it holds stays in L2
    std::vector<Packed *> encoder;
    Packed *score = nullptr, *body, *heads;
    long cells, channels, maps;
    Floats readout, readout_bias;  // (maps, hidden), (maps)
    long room;                     // floats that a thread needs for each of two neighbouring layers
    std::vector<Floats *> rooms;

    Actor(long convolutions, const Conv *convs, const float *const *weights,
          const float *const *biases, long maps, const float *w, const float *b)
        : maps(maps), readout(maps ? maps * convs[convolutions].filters : 0), readout_bias(maps) {
        long i = 0;
        auto next = [&] { i++; return new Packed(convs[i - 1], weights[i - 1], biases[i - 1]); };
        while (i < convolutions) encoder.push_back(next());
        if (maps) {
            score = next();
            memcpy(readout.data, w, maps * score->width * sizeof(float));
            memcpy(readout_bias.data, b, maps * sizeof(float));
        }
        body = next(), heads = next();
        cells = encoder.back()->plan.windows, channels = encoder.back()->width;
        room = encoder[0]->plan.size;
        for (const Packed *layer : encoder)
            if (room < TOGETHER * layer->plan.windows * layer->width)
                room = TOGETHER * layer->plan.windows * layer->width;
    }
    ~Actor() {
        for (Packed *layer : encoder) delete layer;
        for (Floats *each : rooms) delete each;
        delete score, delete body, delete heads;
    }

    void furnish() {  // before threads need it
        while ((int)rooms.size() < omp_get_max_threads()) rooms.push_back(new Floats(2 * room));
    }
};

// Up to TOGETHER images of bytes -> features (images, cells, channels) after the last activation.
static void encode(const Actor &actor, long images, const uint8_t *obs, float *features,
                   float *room) {
    const Packed &first = *actor.encoder[0];
    float *from = room, *to = room + actor.room;
    const long count = actor.encoder.size();
    float *y = count == 1 ? features : to;
    for (long n = 0; n < images; n++) {
        for (long i = 0; i < first.plan.size; i++) from[i] = obs[n * first.plan.size + i];
        apply(first, 1, from, y + n * first.plan.windows * first.width);
    }
    for (long i = 1; i < count; i++) {
        float *x = i % 2 ? to : from;
        apply(*actor.encoder[i], images, x, i == count - 1 ? features : i % 2 ? from : to);
    }
}

// scores (images, maps, cells); the hidden units of some cells are read out before they leave L1.
static void read_scores(const Actor &actor, long images, const float *features, float *scores) {
    const Packed &layer = *actor.score;
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
            windows(layer, f, count, rows, out);
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
        float *room = actor->rooms[omp_get_thread_num()]->data;
        for (long n = share.first; n < share.last; n += Actor::TOGETHER) {
            const long left = share.last - n, count = left < Actor::TOGETHER ? left : Actor::TOGETHER;
            float *x = features + n * cells * channels;
            encode(*actor, count, obs + n * actor->encoder[0]->plan.size, x, room);
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
        apply(*actor->body, images, features, hidden, blocks.first, blocks.last);
#pragma omp barrier
        const long size = actor->body->width;
        apply(*actor->heads, mine.last - mine.first, hidden + mine.first * size,
                 y + mine.first * actor->heads->width);
    }
}
