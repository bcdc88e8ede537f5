"""The dock widget **Models**."""
