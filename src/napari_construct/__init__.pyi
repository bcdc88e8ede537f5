from napari_construct.classes import ClassTable as ClassTable
from napari_construct.classes import TissueClass as TissueClass
from napari_construct.exceptions import ConstructError as ConstructError

__version__: str
__all__ = ["ClassTable", "ConstructError", "TissueClass", "__version__"]
