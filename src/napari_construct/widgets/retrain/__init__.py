"""The dock widget **Correct and retrain**."""
