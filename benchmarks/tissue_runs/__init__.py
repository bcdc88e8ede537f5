"""Parts of ``benchmarks/tissue.py``: pictures with known truth, and the methods that are compared."""
