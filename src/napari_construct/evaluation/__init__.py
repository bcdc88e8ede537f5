"""Evaluation with predicted and with oracle labels."""
