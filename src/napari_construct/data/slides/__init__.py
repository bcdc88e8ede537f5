"""Whole slides: opened lazily, one file a reader; where there is tissue on them."""
