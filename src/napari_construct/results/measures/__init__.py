"""Measures of large masks, window by window: sums of regions, connected parts, tables."""
