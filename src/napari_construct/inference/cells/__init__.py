"""Cells of one channel: from the image of a microscope to foreground, boundaries and instances."""
