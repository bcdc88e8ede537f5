"""Functions that numba compiles; importing any of them imports numba."""
