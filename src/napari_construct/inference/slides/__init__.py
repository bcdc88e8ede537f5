"""Whole slides out of core: the network over rows of tiles, what it found on disk, decisions block by block."""
