"""Parts of all backends: parameters, checks, threads, progress."""
