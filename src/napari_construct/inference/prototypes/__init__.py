"""Prototype inspection: similarity maps, top patches, and prototypes placed by the user."""
