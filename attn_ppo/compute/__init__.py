"""By what the network is computed: PyTorch layers, CPU kernels, the optimiser, devices."""
