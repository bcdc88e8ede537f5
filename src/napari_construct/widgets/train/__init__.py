"""The dock widget **Train adapters**."""
