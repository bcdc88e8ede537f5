"""Results of segmentation: the object, and its files."""
