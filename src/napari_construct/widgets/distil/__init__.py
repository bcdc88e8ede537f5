"""The dock widget **Distil single-channel student**."""
