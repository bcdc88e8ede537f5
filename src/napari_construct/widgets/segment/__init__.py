"""The dock widget **Segment tissue**."""
