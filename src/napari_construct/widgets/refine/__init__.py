"""The dock widget **Refine**."""

from napari_construct.widgets.former import moved

__getattr__ = moved(__name__, "napari_construct.widgets.refine.refine")
