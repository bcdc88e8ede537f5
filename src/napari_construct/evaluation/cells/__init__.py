"""Scores of students: models that segment cells on one channel of fluorescence."""
