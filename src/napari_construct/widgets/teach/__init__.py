"""The dock widget Teach.

Import :class:`Teach` from :mod:`~napari_construct.widgets.teach.teach`.
"""
