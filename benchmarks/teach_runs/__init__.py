"""Simulated users who paint."""
