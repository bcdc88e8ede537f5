"""Evaluate with a student on one channel: what it asks for, its job, and its scores."""
