"""The reader of whole slides: what it takes, what it leaves, and the layer that it makes."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from npe2 import PluginManager, PluginManifest
from tests.widgets.slides import write_pyramid

from napari_construct.data.slide_parts import SCANNER_SUFFIXES, SLIDE_SUFFIXES
from napari_construct.exceptions import InputError
from napari_construct.widgets.files import slides
from napari_construct.widgets.files.names import SCANNED_SUFFIXES
from napari_construct.widgets.files.slides import get_reader
from napari_construct.widgets.layers.slides import SLIDE_KEY, slide_of
from napari_construct.widgets.parts.dropped_images import open_dropped

pytestmark = pytest.mark.gui
IMAGE = np.random.default_rng(2).integers(0, 256, (256, 320, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def said(monkeypatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr(slides, "show_info", told.append)
    monkeypatch.setattr(slides, "show_warning", told.append)
    return told


@pytest.fixture
def manifest(root) -> PluginManifest:
    made = PluginManifest.from_file(root / "src" / "napari_construct" / "napari.yaml")
    manager = PluginManager.instance()
    if "napari-construct" not in manager:
        manager.register(made)
    return made


def test_the_manifest_names_scanners_and_no_tiff(manifest) -> None:
    (reader,) = [
        r for r in manifest.contributions.readers if r.command == "napari-construct.get_slide_reader"
    ]
    assert reader.filename_patterns == [f"*{suffix}" for suffix in SCANNED_SUFFIXES]
    assert not {".tif", ".tiff"} & set(SCANNED_SUFFIXES)
    assert set(SCANNED_SUFFIXES) == SLIDE_SUFFIXES | SCANNER_SUFFIXES | {".qptiff"}


def test_a_scanner_file_opens_as_one_layer_in_micrometres(viewer, tmp_path, manifest, said) -> None:
    path = write_pyramid(tmp_path / "scan.svs", np.tile(IMAGE, (8, 8, 1)), (1, 4), 0.5)
    (layer,) = viewer.open(str(path), plugin="napari-construct")
    assert (layer.name, layer.rgb, layer.multiscale) == ("scan", True, True)
    np.testing.assert_array_equal(layer.scale, (0.5, 0.5))
    assert [str(unit) for unit in layer.units] == ["micrometer"] * 2
    assert list(layer.contrast_limits) == [0, 255]
    assert layer.metadata[SLIDE_KEY]["path"] == str(path)
    assert slide_of(layer).path == path
    assert said == []


def test_an_unknown_size_is_said_and_not_guessed(viewer, tmp_path, said) -> None:
    ((_, options, _),) = get_reader(str(write_pyramid(tmp_path / "a.svs", IMAGE, (1, 2), None)))(
        str(tmp_path / "a.svs")
    )
    assert "scale" not in options
    assert "does not state its micrometres per pixel" in said[0]


@pytest.mark.parametrize("name", ["small.tif", "small_mask.tif", "text.svs"])
def test_what_is_no_slide_is_left_to_others(tmp_path, name, monkeypatch) -> None:
    path = tmp_path / name
    if path.suffix == ".svs":
        path.write_text("no slide")
        monkeypatch.setattr(slides, "others_of", lambda _: {"napari"})
    else:
        tifffile.imwrite(path, IMAGE, photometric="rgb")
    assert get_reader(str(path)) is None


def test_where_nobody_else_reads_it_the_reason_is_said(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(slides, "others_of", lambda _: set())
    path = tmp_path / "scan.mrxs"
    path.write_bytes(b"no slide at all")
    with pytest.raises(InputError, match="copy both together"):
        get_reader(str(path))(str(path))


def test_a_zarr_pyramid_in_colour_is_a_slide(tmp_path) -> None:
    import zarr

    for levels in (1, 2):
        folder = tmp_path / f"{levels}.ome.zarr"
        group = zarr.open_group(folder, mode="w", zarr_format=3)
        for i in range(levels):
            data = np.moveaxis(IMAGE[:: 2**i, :: 2**i], 2, 0)
            group.create_array(str(i), shape=data.shape, dtype=data.dtype, chunks=(3, 64, 64))[:] = data
        axes = [{"name": "c", "type": "channel"}, *({"name": n, "type": "space"} for n in "yx")]
        steps = [[1.0, 0.5 * 2**i, 0.5 * 2**i] for i in range(levels)]
        sets = [
            {"path": str(i), "coordinateTransformations": [{"type": "scale", "scale": step}]}
            for i, step in enumerate(steps)
        ]
        group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": sets}]}
    assert get_reader(str(tmp_path / "1.ome.zarr")) is None
    ((levels_read, options, _),) = get_reader(str(tmp_path / "2.ome.zarr"))(str(tmp_path / "2.ome.zarr"))
    np.testing.assert_array_equal(levels_read[0][10:20, 30:40], IMAGE[10:20, 30:40])
    assert options["name"] == "2"


def test_a_dropped_pyramid_is_a_slide_and_a_small_tiff_napari_s(viewer, tmp_path) -> None:
    tifffile.imwrite(tmp_path / "small.tif", IMAGE, photometric="rgb")
    paths = [write_pyramid(tmp_path / "scan.tif", IMAGE), tmp_path / "small.tif"]
    assert open_dropped(viewer, paths) == ""
    scan, small = viewer.layers
    assert scan.multiscale
    assert slide_of(scan).path == paths[0]
    assert isinstance(small.data, np.ndarray)
    assert small.source.reader_plugin == "napari"


@pytest.mark.parametrize("name", ["CMU-1-Small-Region.svs", "tcga-cr-7395-01a-01-ts1.svs"])
def test_a_real_slide_has_the_pixels_of_the_command_line(shared, name, viewer, manifest) -> None:
    from napari_construct import read_image
    from napari_construct.widgets.layers import pixel_size, plane_at

    path = shared / "data" / "slides" / name
    (layer,) = viewer.open(str(path), plugin="napari-construct")
    part = slice(1000, 1400), slice(900, 1500)
    shown, stored = plane_at(layer, (), part), read_image(path, region=part)
    np.testing.assert_array_equal(shown.rgb().rgb, stored.pixels)
    assert pixel_size(layer).mpp == stored.mpp
