"""The dock widget **Refine**."""
