"""The dock widget **Batch**."""
