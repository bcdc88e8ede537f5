"""Why an encoder cannot be downloaded now."""

from __future__ import annotations

from napari_construct.encoders.download import DownloadSettings
from napari_construct.widgets._models_job import Row


def download_problem(value: DownloadSettings, row: Row | None, *, listed: bool) -> str:
    """What is missing, in a sentence; nothing where the download can start.

    Parameters
    ----------
    value : DownloadSettings
        What is to be downloaded.
    row : Row or None
        The encoder, or its family.
    listed : bool
        Whether it is known yet what is on this computer.
    """
    if not listed:
        return "The list is being loaded..."
    if not value.name:
        return "Choose an encoder in the table to download it."
    if row is None or row.entry is None:
        return f"The catalogue knows no encoder {value.name}: choose one in the table."
    family = row.entry.family and row.name == value.name
    rules = (
        (family, f"Write which one behind {row.name}, for example {row.name}hf-hub:OWNER/NAME."),
        (row.state == "bundled", f"{value.name} comes with napari-construct: nothing to download."),
        (row.state == "installed" and not value.again, f"{value.name} is on this computer already."),
        (
            row.state == "gated" and not value.accepted,
            "Read the licence under Access, and agree to it, first.",
        ),
    )
    return next((text for holds, text in rules if holds), "")
