"""Encoders: RGB in [0, 1] to a feature pyramid; students, teachers and their catalogue."""
