"""The pixel size that a file states is understood, whoever wrote it."""

from __future__ import annotations

import time

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from napari_construct.data.images import read_image
from napari_construct.data.resolution import Stated, chosen, micrometres_of, number
from napari_construct.data.tiff.pixel_size import (
    from_aperio,
    from_description,
    from_json,
    from_ome,
    from_philips,
    from_properties,
    from_scn,
)

PIXELS = np.random.default_rng(0).integers(60, 200, (32, 40, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("unit", "micrometres"),
    [
        *(
            (text, 1.0)
            for text in (
                *(
                    "µm",
                    "μm",
                    "um",
                    "UM",
                    " µm ",
                    "&#181;m",
                    "&#xB5;m",
                    "&micro;m",
                    "&#956;m",
                    "\\u00B5m",
                    "\\xb5m",
                ),
                *("micron", "Microns", "micrometer", "micrometers", "micrometre", "Micrometres", "µm/pixel"),
                *("\\xb5m", "um per px", "Âµm", "?m", "\ufffdm", "µm."),
            )
        ),
        *((text, 1e-3) for text in ("nm", "nanometer", "Nanometres")),
        *((text, 1e3) for text in ("mm", "millimeter", "millimetres", "MM")),
        *((text, 1e4) for text in ("cm", "centimeter")),
        *((text, 1e6) for text in ("m", "meter", "metres")),
        *((text, 1e-6) for text in ("pm", "picometer")),
        *((text, 1e-4) for text in ("Å", "\u212b", "angstrom", "Angstroms")),
        *((text, 25400) for text in ("in", "inch", "inches", '"', "&quot;")),
        ("pt", 25400 / 72),
        *((text, None) for text in ("", "pixel", "px", "reference frame", "s", "um2", "µm" * 50)),
    ],
)
def test_units_in_every_spelling(unit: str, micrometres: float | None) -> None:
    assert micrometres_of(unit) == (None if micrometres is None else pytest.approx(micrometres))


@given(st.floats(1e-6, 1e6), st.booleans(), st.sampled_from(["{}", " {} ", '"{}"', "{}\n"]))
def test_numbers_with_points_and_commas(value: float, comma: bool, around: str) -> None:
    text = around.format(repr(value).replace(".", ",") if comma else repr(value))
    assert number(text) == value


@pytest.mark.parametrize(
    "text", ["", "nan", "inf", "1_000", "0.25,0.25", "1.2.3", "٣", "0x10", "9" * 5000, None, True]
)
def test_what_is_no_number(text: object) -> None:
    assert number(text) is None


@pytest.mark.parametrize(
    ("attributes", "mpp"),
    [
        ('PhysicalSizeX="0.5"', 0.5),
        ('PhysicalSizeX="0,5"', 0.5),
        ("PhysicalSizeX='0.5' PhysicalSizeXUnit='&#xB5;m'", 0.5),
        ('PhysicalSizeX = "500" PhysicalSizeXUnit = "nm"', 0.5),
        ('Name="a>b" PhysicalSizeXUnit="mm" PhysicalSizeX="5E-4"', 0.5),
        ('PhysicalSizeX="5000" PhysicalSizeXUnit="&#197;"', 0.5),
        ('PhysicalSizeX="1" PhysicalSizeXUnit="pixel"', None),
        ('PhysicalSizeX="many"', None),
        ('SizeX="40"', None),
    ],
)
@pytest.mark.parametrize("prefix", ["", "ome:"])
def test_ome(attributes: str, mpp: float | None, prefix: str) -> None:
    xml = f"<{prefix}OME><{prefix}Image><{prefix}Pixels {attributes} SizeT='1'><Channel/></{prefix}Pixels>"
    found = from_ome(xml)
    assert (found and found.x) == (None if mpp is None else pytest.approx(mpp))


def test_ome_of_the_image_that_is_read() -> None:
    sizes = {30: 8, 4000: 0.25, 40: 2}
    parts = (f'<Pixels SizeX="{w}" SizeY="{w}" PhysicalSizeX="{size}"/>' for w, size in sizes.items())
    xml = "<OME>" + "".join(parts) + "</OME>"
    assert [from_ome(xml, w, w).x for w in sizes] == list(sizes.values())
    assert from_ome(xml, 7, 7) is None


@pytest.mark.parametrize(
    ("text", "x", "y"),
    [
        ("Aperio Image Library v11|AppMag = 20|MPP = 0.4990|Left = 1", 0.499, 0.499),
        ("Aperio|MPP = 0,4990|Left = 1,5", 0.499, 0.499),
        ("Aperio|MPP=0.25,Left=3", 0.25, 0.25),
        ("Slide|MPP_X = 0,25|MPP_Y = 0,26", 0.25, 0.26),
        ("mpp: 0.25", 0.25, 0.25),
        ("COMPPANY = 4", None, None),
    ],
)
def test_aperio_and_its_followers(text: str, x: float | None, y: float | None) -> None:
    found = from_aperio(text)
    assert (found and (found.x, found.y)) == (None if x is None else (x, y))


def test_other_scanners_and_programs() -> None:
    philips = (
        '<Attribute Name="DICOM_PIXEL_SPACING" Group="0x0028" Element="0x0030" PMSVR="IDoubleArray">'
        "&quot;0.00025&quot; &quot;0.00024&quot;</Attribute>"
    )
    assert from_philips(philips)[:2] == pytest.approx((0.24, 0.25))
    vips = "<property><name>openslide.mpp-x</name><value type='VipsRefString'>0,25</value></property>"
    assert from_properties(vips).x == 0.25
    assert from_properties("<ScanResolution><PixelSizeMicrons>0.4989</PixelSizeMicrons>").x == 0.4989
    scn = (
        '<scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01"><collection><image><pixels '
        'sizeX="100" sizeY="200"><dimension sizeX="100"/></pixels><view sizeX="1600000" sizeY="3200000"/>'
        '</image><image><pixels sizeX="4000" sizeY="2000"/><view sizeX="1000000" sizeY="500000"/></image>'
    )
    assert from_scn(scn, 100)[:2] == (16, 16)
    assert from_scn(scn, 4000)[:2] == (0.25, 0.25)
    metamorph = (
        '<MetaData><prop id="spatial-calibration-state" type="bool" value="{}"/><prop '
        'id="spatial-calibration-x" type="float" value="0.16"/><prop id="spatial-calibration-y" type="float" '
        'value="0.16"/><prop id="spatial-calibration-units" type="string" value="um"/>'
    )
    assert [s.x for s in from_description(metamorph.format("on")) if s] == [0.16]
    assert [s for s in from_description(metamorph.format("off")) if s] == []
    assert [s.x for s in from_description('<iScan Mode="a" ScanRes="0.2325" />') if s] == [0.2325]
    assert from_json('{"PixelSizeUm": 0.65}').x == 0.65
    assert from_json("{" * 100_000) is None
    assert from_json("[1]") is None
    assert from_json('{"mpp": [1]}') is None
    assert from_json('{"Gain": NaN, "Offset": [-Infinity, 1], "PixelSizeUm": 0.65}').x == 0.65
    assert from_json('{"PixelSizeUm": 0.65, "PixelSizeUm": 0.5}') is None
    assert from_json('{"PixelSizeUm": NaN}') is None


@given(
    st.text(
        alphabet="<>\"'=&; ,.0123456789eMPixelsPhysicalSizeXUnitOMEpropvaluidDICOM_SPACNG{}:\n", max_size=400
    )
)
def test_any_text_gives_nothing_or_a_number(text: str) -> None:
    for found in (from_ome(text), from_ome("<Pixels " + text), *from_description(text, 5)):
        assert found is None or all(side is None or side > 0 for side in found[:2])


@pytest.mark.parametrize(
    "text",
    [
        "<Pixels " * 300_000,
        '<Pixels a="' * 200_000,
        "MPP" * 800_000,
        "<prop a=" * 300_000,
        "&" * 2_000_000,
        "0," * 900_000,
    ],
)
def test_no_text_takes_long(text: str) -> None:
    started = time.perf_counter()
    from_ome(text)
    from_description(text, 5)
    assert time.perf_counter() - started < 5


def test_the_first_plausible_statement_wins_and_a_contradiction_is_said() -> None:
    stated = [
        None,
        Stated(265.0, 265.0, "OME"),
        Stated(0.5, 0.5, "MPP"),
        Stated(0.25, 0.25, "resolution tags"),
    ]
    found = chosen(stated, "a.tif")
    assert found.mpp == 0.5
    (notice,) = found.notices
    assert notice.startswith("a.tif: states 0.5 um per pixel (MPP) and 0.25 (resolution tags); 0.5 is used")
    assert chosen([Stated(0.5, 0.5, "a"), Stated(0.51, 0.51, "b")], "a").notices == ()
    assert chosen([], "a") == (None, (), None)


def test_pixels_that_are_not_square_keep_areas() -> None:
    found = chosen([Stated(0.5, 0.25, "OME")], "a.tif")
    assert found.mpp**2 == pytest.approx(0.5 * 0.25)
    assert found.notices == ("a.tif: pixels are 0.5 um wide and 0.25 um high; 0.3536 um per pixel is used",)
    assert found.sides == (0.25, 0.5)
    assert chosen([Stated(0.5, 0.502, "OME")], "a.tif") == (0.5, (), (0.502, 0.5))
    (said,) = chosen([Stated(0.5, 0.25, "OME")], "a.tif", both=True).notices
    assert said == "a.tif: pixels are 0.5 um wide and 0.25 um high"


@pytest.mark.parametrize(
    ("options", "mpp"),
    [
        ({"description": "Aperio|MPP = 0,4990", "metadata": None}, 0.499),
        ({"resolution": (2, 2), "imagej": True, "metadata": {"unit": "\\u00B5m"}}, 0.5),
        ({"resolution": (2, 2), "imagej": True, "metadata": {"unit": "micron"}}, 0.5),
        ({"resolution": (2000, 2000), "imagej": True, "metadata": {"unit": "mm"}}, 0.5),
        ({"resolution": (2, 2), "imagej": True, "metadata": {"unit": "pixel"}}, None),
        ({"metadata": {"mpp": 0.5}}, 0.5),
        ({"resolution": (20000, 40000), "resolutionunit": "CENTIMETER"}, 0.5 / 2**0.5),
        ({"resolution": (0, 1), "resolutionunit": "CENTIMETER"}, None),
    ],
)
def test_files(tmp_path, options, mpp) -> None:
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, photometric="rgb", **options)
    assert read_image(tmp_path / "a.tif").mpp == (None if mpp is None else pytest.approx(mpp, rel=1e-4))


def test_a_file_that_contradicts_itself_says_so(tmp_path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif",
        PIXELS,
        photometric="rgb",
        description="Aperio|MPP = 0.5",
        metadata=None,
        resolution=(40000, 40000),
        resolutionunit="CENTIMETER",
    )
    image = read_image(tmp_path / "a.tif")
    assert image.mpp == 0.5
    assert any("0.25 (resolution tags)" in text for text in image.notices)
