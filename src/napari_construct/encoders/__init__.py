"""Encoders: RGB in [0, 1] to a feature pyramid; frozen students and teachers, and the catalogue of them."""
