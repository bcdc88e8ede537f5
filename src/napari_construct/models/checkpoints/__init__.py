"""Checkpoints: reading, writing, rebuilding a network, importing released ones."""
