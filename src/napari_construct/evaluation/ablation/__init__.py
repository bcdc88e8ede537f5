"""Ablations: which variants of a configuration are trained, compared and reported."""
