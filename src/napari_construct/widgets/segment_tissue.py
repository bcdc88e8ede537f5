"""Moved to :mod:`napari_construct.widgets.segment.segment_tissue`."""

from napari_construct.widgets.former import moved

__getattr__ = moved(__name__, "napari_construct.widgets.segment.segment_tissue")
