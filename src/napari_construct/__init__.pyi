from napari_construct.classes import ClassTable as ClassTable
from napari_construct.classes import TissueClass as TissueClass
from napari_construct.data.image_level import load_dataset as load_dataset
from napari_construct.evaluation.evaluate import evaluate as evaluate
from napari_construct.evaluation.report.report import EvaluationReport as EvaluationReport
from napari_construct.events import run as run
from napari_construct.exceptions import ConstructError as ConstructError
from napari_construct.inference.loading import load_model as load_model
from napari_construct.inference.segment import segment as segment
from napari_construct.inference.settings import SegmentSettings as SegmentSettings
from napari_construct.inference.zero_shot.settings import ZeroShotSettings as ZeroShotSettings
from napari_construct.results.result import SegmentationResult as SegmentationResult
from napari_construct.training.config.config import TrainingConfig as TrainingConfig
from napari_construct.training.loop.train import train as train

__version__: str
__all__ = [
    "ClassTable",
    "ConstructError",
    "EvaluationReport",
    "SegmentSettings",
    "SegmentationResult",
    "TissueClass",
    "TrainingConfig",
    "ZeroShotSettings",
    "__version__",
    "evaluate",
    "load_dataset",
    "load_model",
    "run",
    "segment",
    "train",
]
