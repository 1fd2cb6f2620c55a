// The network's layers for CPUs, fp32. kernels.py builds and calls them.
//
// Images are shared out evenly over the threads and partial sums added in the order of the
// threads: the same thread count gives the same bits. Images are (height, width, channels) floats,
// the observations (channels, height, width) bytes.

#include "actor.h"
#include "cells.h"
#include "winograd.h"

enum { FEWEST = 16 };  // images for which filters are worth transforming

extern "C" void convolve(const Conv *c, const Readout *readout, const void *x, const float *weight,
                         const float *bias, float *y) {
    int side = readout || c->images < FEWEST ? 0 : tile_outputs(*c, true);
    if (side == 0) return convolve_direct(*c, readout, x, weight, bias, y);
    if (c->bytes) return convolve_tiled<3>(*c, (const uint8_t *)x, weight, bias, y);
    convolve_tiled<2>(*c, (const float *)x, weight, bias, y);
}

// From dy or from what reads y out, whichever is given; dx is left out where it is null.
extern "C" void convolve_backward(const Conv *c, const Readout *readout, const void *x,
                                  const float *weight, const float *y, const float *dy, float *dx,
                                  float *dweight, float *dbias) {
    int side = readout || c->images < FEWEST ? 0 : tile_outputs(*c, false);
    if (side == 0)
        return convolve_direct_backward(*c, readout, x, weight, y, dy, dx, dweight, dbias);
    if (c->bytes)
        return convolve_tiled_backward<3>(*c, (const uint8_t *)x, weight, y, dy, dx, dweight, dbias);
    const float *floats = (const float *)x;
    if (side == 3) return convolve_tiled_backward<3>(*c, floats, weight, y, dy, dx, dweight, dbias);
    convolve_tiled_backward<2>(*c, floats, weight, y, dy, dx, dweight, dbias);
}

extern "C" long block() { return BLOCK; }
