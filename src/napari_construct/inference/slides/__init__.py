"""Whole slides out of core: rows of tiles, what the network found on disk, decisions block by block."""
