// The network's layers for CPUs, fp32. kernels.py builds and calls them.
//
// Images are shared out evenly over the threads and partial sums added in the order of the
// threads: the same thread count gives the same bits. Images are (height, width, channels) floats,
// the observations (channels, height, width) bytes.

#include "cells.h"
#include "direct.h"

extern "C" long block() { return BLOCK; }
