"""``napari-construct demo``: segment the bundled sample."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from napari_construct.cli import _options as options
from napari_construct.cli._output import check_folder, say
from napari_construct.cli.viewer import open_result, why_no_viewer
from napari_construct.events.progress import progress_bars
from napari_construct.models.default_model import DEFAULT_MODEL

if TYPE_CHECKING:
    from napari_construct.results.result import SegmentationResult

SAMPLE: Final = "lymph_node_tumour"
SAMPLE_MPP: Final = 0.25
SAMPLE_CLASSES: Final = ("tumour", "lymphoid")
"""Classes of the sample mask in the order of its values; 2 is white and excluded from scores."""


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")] = Path(
        "napari-construct-demo"
    ),
    model: options.Model = DEFAULT_MODEL,
    device: options.Device = None,
    viewer: Annotated[
        bool,
        typer.Option("--viewer/--no-viewer", help="Open the results in napari if there is a display."),
    ] = True,
) -> None:
    """Segment the bundled sample: a lymph node with tumour (CAMELYON16, CC0).

    Writes mask, class maps, overlay and record. Prints areas, IoU with the bundled mask, and times. Then
    opens napari with all layers.
    """
    clock = time.perf_counter()
    check_folder(output)
    from napari_construct.data.images import read_image
    from napari_construct.export.own_files import refuse_others
    from napari_construct.inference.loading import load_model
    from napari_construct.inference.segment import segment_steps
    from napari_construct.results.files import result_paths, write_result

    refuse_others(result_paths(output, SAMPLE).values())
    predictor = load_model(model, device=device or "auto")
    loaded = time.perf_counter()
    with _sample(f"{SAMPLE}.png") as path:
        image = read_image(path)
        with progress_bars() as bars:
            steps = segment_steps(image.pixels, predictor, mpp=SAMPLE_MPP, name=path.name)
            result = bars.follow(steps, path.name)
    segmented = time.perf_counter()
    files = write_result(output, SAMPLE, image.pixels, result, image.notices)
    _print_scores(result)
    say(
        f"loading {loaded - clock:.1f} s, segmentation {segmented - loaded:.1f} s, "
        f"writing {time.perf_counter() - segmented:.1f} s, on {predictor.device}"
    )
    for kind, file in files.items():
        say(f"{kind}: {file}")
    if viewer:
        reason = why_no_viewer()
        if reason:
            say(f"napari is not opened: {reason}", err=True)
            return
        with _sample(f"{SAMPLE}.png") as path:
            open_result(files["record"], path)


@contextmanager
def _sample(name: str) -> Iterator[Path]:
    from importlib.resources import as_file, files

    from napari_construct.exceptions import InputError

    with as_file(files("napari_construct.data") / "samples" / name) as path:
        if not path.is_file():
            raise InputError(
                f"{path}: expected the bundled sample, got no file; install napari-construct again"
            )
        yield path


def _print_scores(result: SegmentationResult) -> None:
    """Print areas, and IoU if the model has the classes of the sample mask."""
    from napari_construct.data.masks import read_mask
    from napari_construct.metrics.segmentation import confusion_matrix, scores_from_confusion

    names = result.classes.names
    iou = None
    if names == SAMPLE_CLASSES:
        with _sample(f"{SAMPLE}_mask.png") as path:
            matrix = confusion_matrix(read_mask(path), result.labels, len(names), ignore=(len(names),))
        scores = scores_from_confusion(matrix)
        iou = scores["iou"]
    for i, row in enumerate(result.areas()):
        score = "" if iou is None else f", IoU {iou[i]:.3f}"
        area = f" ({row['mm2']:.4f} mm2)" if "mm2" in row else ""
        say(
            f"{row['class']}: {row['pixels']} px{area}, {row['percent_of_tissue']:.1f} % of the tissue{score}"
        )
    if iou is not None:
        say(f"mean IoU {scores['miou']:.3f}, white excluded")
