"""Tissue made by a formula: what a teacher of two channels sees, and a student of one can only guess.

Cells of four types stand in regions of their own density and direction. How far a cell reaches beyond its
nucleus depends on its type and, within a type, on chance. The membrane channel shows it. The nuclear channel
hints at the type (size, shape, texture and density of nuclei) and is silent about the chance.
"""

from napari_construct.crossmodal.phantom.dataset import PhantomDataset
from napari_construct.crossmodal.phantom.generate import PhantomImage, phantom
from napari_construct.crossmodal.phantom.settings import PhantomSettings

__all__ = ["PhantomDataset", "PhantomImage", "PhantomSettings", "phantom"]
