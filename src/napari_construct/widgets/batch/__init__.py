"""The dock widget **Batch**."""

from napari_construct.widgets.former import moved

__getattr__ = moved(__name__, "napari_construct.widgets.batch.batch")
