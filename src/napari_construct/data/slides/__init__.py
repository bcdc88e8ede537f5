"""Whole slides: opened lazily, read level by level and region by region."""
