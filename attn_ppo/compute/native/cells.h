// What is done cell by cell: normalisation and gate, forward and backward.

#pragma once

#include "tile.h"

// y = x / |x| of one cell of C channels, the squared norm floored at 1e-12; returns 1 / |x|.
static inline float unit(long C, const float *x, float *y) {
    vec sums = at(x) * at(x);
    for (long i = LANES; i < C; i += LANES) sums += at(x + i) * at(x + i);
    float sum = 0;
    for (int i = 0; i < LANES; i++) sum += sums[i];
    const float inverse = 1 / __builtin_sqrtf(sum > 1e-12f ? sum : 1e-12f);
    for (long i = 0; i < C; i += LANES) at(y + i) = at(x + i) * inverse;
    return inverse;
}

// `inverse` keeps 1 / |x| of each cell.
extern "C" void normalize(long cells, long C, const float *x, float *y, float *inverse) {
#pragma omp parallel
    {
        Share share(cells);
        for (long p = share.first; p < share.last; p++) inverse[p] = unit(C, x + p * C, y + p * C);
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
