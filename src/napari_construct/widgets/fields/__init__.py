"""Editors of one value, and their layout."""
