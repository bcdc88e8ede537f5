"""``--channel-files``: sets of cells in which each channel is a file."""

from __future__ import annotations

from typing import Annotated

import typer

ChannelFiles = Annotated[
    str | None,
    typer.Option(
        "--channel-files",
        help="Where each channel is a file (image1_DAPI.tif) or a folder (DAPI/image1.tif): the words or "
        "folders that name them, in order, a,b; by default found by names of stains. none: every file "
        "is an image.",
    ),
]
