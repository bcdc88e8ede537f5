"""TIFF files as images: which image of a file, and what its numbers mean."""
