"""Weights in PyTorch's format, read without running anything."""
