"""An image in, its likeness to each prototype of a model out."""

from __future__ import annotations

from napari_construct.data.inputs import ImageInput, as_image
from napari_construct.events import Progress, run
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.loading import predictor_of
from napari_construct.inference.prototypes.settings import PrototypeSettings
from napari_construct.inference.prototypes.similarity_maps import PrototypeMaps, prototype_steps
from napari_construct.types import PathLike


def prototype_maps(
    image: ImageInput,
    model: PathLike | Predictor,
    settings: PrototypeSettings | None = None,
    *,
    mpp: float | None = None,
    name: str | None = None,
    device: str | None = None,
    progress: Progress = None,
) -> PrototypeMaps:
    """Compare an image with every prototype of a model.

    Parameters
    ----------
    image : path or array
        As of :func:`~napari_construct.inference.segment.segment`.
    model : str, path or Predictor
        A model of the first stage.
    settings : PrototypeSettings, optional
        ``tile``, ``overlap`` and ``mpp`` are read.
    mpp, name, device, progress
        As of :func:`~napari_construct.inference.segment.segment`.

    Returns
    -------
    PrototypeMaps
        ``maps.of("tumour 1")`` is the similarity at every pixel.

    Raises
    ------
    InputError
        If the image cannot be used.
    ConfigurationError
        If the model has no prototypes.
    """
    settings = settings or PrototypeSettings()
    opened = as_image(image, name)
    steps = prototype_steps(
        opened.pixels,
        predictor_of(model, device),
        settings,
        mpp=opened.mpp if mpp is None else mpp,
        name=name or opened.path.name,
    )
    return run(steps, progress)
