"""Whole slides: what is on them, and where."""
