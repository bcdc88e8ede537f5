"""The dock widget **Segment**."""
