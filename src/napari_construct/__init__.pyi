from napari_construct.annotations import Feature as Feature
from napari_construct.batch.folder import segment_folder as segment_folder
from napari_construct.batch.report import BatchReport as BatchReport
from napari_construct.batch.settings import BatchSettings as BatchSettings
from napari_construct.classes import ClassTable as ClassTable
from napari_construct.classes import TissueClass as TissueClass
from napari_construct.cluster.cluster import Cluster as Cluster
from napari_construct.crf import CRFParameters as CRFParameters
from napari_construct.crf import dense_crf as dense_crf
from napari_construct.crossmodal.config import DistilConfig as DistilConfig
from napari_construct.crossmodal.distil import distil as distil
from napari_construct.crossmodal.teachers.arrays import array_teacher as array_teacher
from napari_construct.crossmodal.teachers.catalogue import load_teacher as load_teacher
from napari_construct.data.cells.arrays import array_cells as array_cells
from napari_construct.data.cells.hold_out import hold_out as hold_out
from napari_construct.data.cells.open_cells import open_cells as open_cells
from napari_construct.data.channels.read import read_channels as read_channels
from napari_construct.data.geojson import read_geojson as read_geojson
from napari_construct.data.image_level import load_dataset as load_dataset
from napari_construct.data.images import read_image as read_image
from napari_construct.data.polygons import draw_polygons as draw_polygons
from napari_construct.encoders.catalogue.download import DownloadSettings as DownloadSettings
from napari_construct.encoders.catalogue.download import download_encoder as download_encoder
from napari_construct.evaluation.agreement.agreement import agreement as agreement
from napari_construct.evaluation.agreement.report import Agreement as Agreement
from napari_construct.evaluation.agreement.settings import AgreementSettings as AgreementSettings
from napari_construct.evaluation.cells.evaluate import evaluate_cells as evaluate_cells
from napari_construct.evaluation.cells.report import CellReport as CellReport
from napari_construct.evaluation.evaluate import evaluate as evaluate
from napari_construct.evaluation.report.report import EvaluationReport as EvaluationReport
from napari_construct.events import run as run
from napari_construct.exceptions import ConstructError as ConstructError
from napari_construct.export.geojson import write_geojson as write_geojson
from napari_construct.export.polygons import class_features as class_features
from napari_construct.export.polygons import mask_polygons as mask_polygons
from napari_construct.inference.activation.predictor import Predictor as Predictor
from napari_construct.inference.cells.evidence import decide_again as decide_again
from napari_construct.inference.cells.loading import load_cell_model as load_cell_model
from napari_construct.inference.cells.segment import segment_cells as segment_cells
from napari_construct.inference.cells.settings import CellSettings as CellSettings
from napari_construct.inference.loading import load_model as load_model
from napari_construct.inference.prototypes.settings import PrototypeSettings as PrototypeSettings
from napari_construct.inference.prototypes.similarity_maps import prototype_maps as prototype_maps
from napari_construct.inference.segment import segment as segment
from napari_construct.inference.settings import SegmentSettings as SegmentSettings
from napari_construct.inference.zero_shot.predictor import load_zero_shot as load_zero_shot
from napari_construct.inference.zero_shot.settings import ZeroShotSettings as ZeroShotSettings
from napari_construct.labelling.queue.queue import RegionQueue as RegionQueue
from napari_construct.labelling.queue.rank import rank_regions as rank_regions
from napari_construct.labelling.queue.settings import QueueSettings as QueueSettings
from napari_construct.metrics.segmentation import confusion_matrix as confusion_matrix
from napari_construct.metrics.segmentation import scores_from_confusion as scores_from_confusion
from napari_construct.models.checkpoints.channel_checkpoint import ChannelCheckpoint as ChannelCheckpoint
from napari_construct.models.checkpoints.channel_checkpoint import (
    load_channel_checkpoint as load_channel_checkpoint,
)
from napari_construct.models.checkpoints.checkpoint import Checkpoint as Checkpoint
from napari_construct.models.checkpoints.checkpoint import load_checkpoint as load_checkpoint
from napari_construct.models.checkpoints.checkpoint import save_checkpoint as save_checkpoint
from napari_construct.results.cells import CellResult as CellResult
from napari_construct.results.measured import measure_result as measure_result
from napari_construct.results.read import load_result as load_result
from napari_construct.results.region_areas import region_table as region_table
from napari_construct.results.result import SegmentationResult as SegmentationResult
from napari_construct.results.result import StoredResult as StoredResult
from napari_construct.teaching.correction_files import read_corrections as read_corrections
from napari_construct.teaching.correction_files import save_corrections as save_corrections
from napari_construct.teaching.retrain import RetrainResult as RetrainResult
from napari_construct.teaching.retrain import retrain as retrain
from napari_construct.teaching.retraining.settings import RetrainSettings as RetrainSettings
from napari_construct.teaching.saved import load_strokes as load_strokes
from napari_construct.teaching.saved import save_strokes as save_strokes
from napari_construct.teaching.session import TeachSession as TeachSession
from napari_construct.teaching.settings import TeachSettings as TeachSettings
from napari_construct.teaching.sources import read_strokes as read_strokes
from napari_construct.teaching.strokes import Strokes as Strokes
from napari_construct.teaching.teach import teach as teach
from napari_construct.training.calibration.guard import add_guard as add_guard
from napari_construct.training.calibration.recalibrate import recalibrate as recalibrate
from napari_construct.training.config.config import TrainingConfig as TrainingConfig
from napari_construct.training.config.second_stage import SecondStageConfig as SecondStageConfig
from napari_construct.training.loop.train import train as train
from napari_construct.training.second_stage.train import train_second_stage as train_second_stage

__version__: str

from napari_construct.data.slides.slide import Slide as Slide
from napari_construct.data.slides.slide import open_slide as open_slide
from napari_construct.data.slides.tissue import TissueSettings as TissueSettings
from napari_construct.data.slides.tissue import find_tissue as find_tissue
from napari_construct.inference.slides.job import SlideResult as SlideResult
from napari_construct.inference.slides.part import read_slide_part as read_slide_part
from napari_construct.inference.slides.segment import segment_slide as segment_slide
from napari_construct.labelling.cut import cut_patches as cut_patches
from napari_construct.labelling.merge import merge_labels as merge_labels
from napari_construct.labelling.session import LabelSession as LabelSession
from napari_construct.labelling.settings import CutSettings as CutSettings

__all__ = [
    "Agreement",
    "AgreementSettings",
    "BatchReport",
    "BatchSettings",
    "CRFParameters",
    "CellReport",
    "CellResult",
    "CellSettings",
    "ChannelCheckpoint",
    "Checkpoint",
    "ClassTable",
    "Cluster",
    "ConstructError",
    "CutSettings",
    "DistilConfig",
    "DownloadSettings",
    "EvaluationReport",
    "Feature",
    "LabelSession",
    "Predictor",
    "PrototypeSettings",
    "QueueSettings",
    "RegionQueue",
    "RetrainResult",
    "RetrainSettings",
    "SecondStageConfig",
    "SegmentSettings",
    "SegmentationResult",
    "Slide",
    "SlideResult",
    "StoredResult",
    "Strokes",
    "TeachSession",
    "TeachSettings",
    "TissueClass",
    "TissueSettings",
    "TrainingConfig",
    "ZeroShotSettings",
    "__version__",
    "add_guard",
    "agreement",
    "array_cells",
    "array_teacher",
    "class_features",
    "confusion_matrix",
    "cut_patches",
    "decide_again",
    "dense_crf",
    "distil",
    "download_encoder",
    "draw_polygons",
    "evaluate",
    "evaluate_cells",
    "find_tissue",
    "hold_out",
    "load_cell_model",
    "load_channel_checkpoint",
    "load_checkpoint",
    "load_dataset",
    "load_model",
    "load_result",
    "load_strokes",
    "load_teacher",
    "load_zero_shot",
    "mask_polygons",
    "measure_result",
    "merge_labels",
    "open_cells",
    "open_slide",
    "prototype_maps",
    "rank_regions",
    "read_channels",
    "read_corrections",
    "read_geojson",
    "read_image",
    "read_slide_part",
    "read_strokes",
    "recalibrate",
    "region_table",
    "retrain",
    "run",
    "save_checkpoint",
    "save_corrections",
    "save_strokes",
    "scores_from_confusion",
    "segment",
    "segment_cells",
    "segment_folder",
    "segment_slide",
    "teach",
    "train",
    "train_second_stage",
    "write_geojson",
]
