"""Scores that can be believed: predicted and oracle labels side by side."""
