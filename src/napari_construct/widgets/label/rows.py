"""The rows of the form of Label patches."""

from __future__ import annotations

from typing import Final

from napari_construct.widgets.fields.rows import Row

COUNT: Final = Row("count", "Number", "How many patches are cut. A hundred take a few minutes", step=10)
ROWS: Final = (
    COUNT,
    Row("side", "Size", "Side of a patch", unit="px", step=32),
    Row(
        "mpp",
        "Resolution",
        "Resolution of the patches. Lowest value: that of their images",
        unit="µm/px",
        none="of the image",
        decimals=3,
    ),
    Row(
        "image_mpp",
        "Pixel size",
        "Micrometres per pixel of the images. Lowest value: what layers and files state",
        unit="µm",
        none="as stated",
        decimals=4,
    ),
    Row("whole", "Images are patches", "Take every image as one patch, as it is, and cut nothing"),
    Row(
        "choice",
        "Choice",
        "Spread: patches that differ in stain and texture, so that rare ones are among them. Random: drawn",
        choices={"spread": "Spread", "random": "Random"},
    ),
    Row("min_tissue", "Min. tissue", "Share of a patch (0 to 1) that is tissue, at least"),
    Row("candidates", "Looked at", "Patches that are looked at to choose from. More take longer", step=500),
    Row("seed", "Seed", "Another number draws other patches"),
)
