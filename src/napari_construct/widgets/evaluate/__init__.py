"""The dock widget **Evaluate**."""
