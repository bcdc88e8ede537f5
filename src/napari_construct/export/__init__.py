"""Atomic writers of masks, class activation maps, overlays and records."""
