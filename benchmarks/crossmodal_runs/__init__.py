"""Parts of benchmarks/crossmodal.py."""
