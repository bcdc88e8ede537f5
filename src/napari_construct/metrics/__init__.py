"""Scores of a mask against the truth; numpy only."""
