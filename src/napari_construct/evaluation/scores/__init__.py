"""Scores of one image, of patches, of structures, and their means over images and seeds."""
