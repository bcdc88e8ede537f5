"""Moved to :mod:`napari_construct.widgets.train.train_adapters`."""

from napari_construct.widgets.former import moved

__getattr__ = moved(__name__, "napari_construct.widgets.train.train_adapters")
