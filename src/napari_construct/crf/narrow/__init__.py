"""Kernels that are too narrow for cells of pixels: direct sums over the pixels near each pixel."""
