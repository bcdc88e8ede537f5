"""The dock widget **Train a model**."""
