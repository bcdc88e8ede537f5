"""Scores of a mask against the truth; numpy, and scipy and scikit-image for instances and borders."""
