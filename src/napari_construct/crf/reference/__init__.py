"""Slow ways to the same numbers, to compare with."""
