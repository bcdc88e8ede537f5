"""The ranking as a Python script or as a command."""

from __future__ import annotations

import shlex

from napari_construct.exceptions import InputError
from napari_construct.widgets.next.job import RankRequest
from napari_construct.widgets.parts.recipe_words import arguments, device_argument, device_option

_OPTIONS = {
    "count": "--count",
    "side_um": "--side",
    "doubt": "--doubt",
    "diversity": "--diversity",
    "min_tissue": "--min-tissue",
}


def rank_as_python(request: RankRequest) -> str:
    """A script that ranks the same regions.

    Raises
    ------
    InputError
        If the mask is in memory alone.
    """
    path = _path(request)
    image = "" if request.slide is None else f", images={str(request.slide.path)!r}"
    changes = arguments(request.settings.model_dump(exclude_defaults=True))
    settings = f", QueueSettings({changes})" if changes else ""
    names = "QueueSettings, rank_regions" if changes else "rank_regions"
    lines = [
        f"from napari_construct import {names}",
        "",
        f"queue = rank_regions({path!r}{settings}{image}{device_argument(request.device)}, progress=True)",
        "for region in queue:",
        "    print(region)",
    ]
    return "\n".join(lines) + "\n"


def rank_as_command(request: RankRequest) -> str:
    """A command that ranks the same regions.

    Raises
    ------
    InputError
        If the mask is in memory alone.
    """
    words = ["napari-construct", "next", _path(request)]
    if request.slide is not None:
        words += ["--image", str(request.slide.path)]
    for name, value in request.settings.model_dump(exclude_defaults=True).items():
        if name in _OPTIONS:
            words += [_OPTIONS[name], str(value)]
    return shlex.join([*words, *device_option(request.device)]) + "\n"


def _path(request: RankRequest) -> str:
    if request.pyramid is None:
        raise InputError(
            "expected a stored result to name in a script, got a mask in memory; save it with its class "
            "maps first"
        )
    return str(request.pyramid)
