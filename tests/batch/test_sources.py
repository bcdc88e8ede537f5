from __future__ import annotations

import os
import shutil
import sys
import time
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from napari_construct.batch.folder import segment_folder
from napari_construct.batch.ledger import LEDGER_NAME, read_ledger
from napari_construct.batch.runner import run_batch_steps
from napari_construct.batch.sources import find_sources, look_for_sources
from napari_construct.batch.stems import distinct_stems
from napari_construct.classes import ClassTable
from napari_construct.events import Event, Notice, run
from napari_construct.exceptions import ConfigurationError, ConstructError
from napari_construct.export.label_pyramid import LabelPyramid
from napari_construct.reading.names import folded

from .conftest import QUICK

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems keep names as Unicode")
links = pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
STEMS = st.sampled_from(["a", "A", "b", "a_png", "a_png_2", "d/a", "é", "e\u0301"])
ENDINGS = st.sampled_from([".png", ".tif", ".ome.tif", ""])
RAW_NAMES = st.binary(min_size=1, max_size=40).filter(lambda raw: not {0, ord("/")} & set(raw))
ALL_KINDS = ("mask", "overlay", "cams", "zarr")


def picture(path: Path | bytes, seed: int = 0, side: int = 128) -> None:
    pixels = np.random.default_rng(seed).integers(90, 230, (side, side, 3), dtype=np.uint8)
    with Path(os.fsdecode(path)).open("wb") as stream:
        Image.fromarray(pixels).save(stream, format="PNG")


def stems(*paths: Path, **options) -> list[str]:
    return [source.stem for source in look_for_sources(paths, **options).sources]


@pytest.mark.parametrize("place", ["results", "."])
def test_results_are_never_inputs(predictor, tmp_path, place) -> None:
    """Below the images, and among them; also of a run whose ledger is gone."""
    output = tmp_path / place
    picture(tmp_path / "a.png")
    planes = np.random.default_rng(0).integers(90, 230, (2, 64, 64, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "s.tif", planes, photometric="rgb")
    quick = QUICK.changed(outputs=ALL_KINDS)
    run(run_batch_steps(find_sources([tmp_path]), predictor, quick, output))
    picture(tmp_path / "b.png", 1)
    expected = ["a", "b", "s_p1", "s_p2"]
    found = look_for_sources([tmp_path], output=output)
    assert [source.stem for source in found.sources] == expected
    (said,) = found.notices
    assert ("folder(s) for results" if place == "results" else "result(s) of napari-construct") in said
    (output / LEDGER_NAME).unlink()
    assert stems(tmp_path) == expected, "records and marks are enough"
    for record in output.glob("*.json"):
        record.unlink()
    shutil.rmtree(output / "a.ome.zarr")
    assert [stem for stem in stems(tmp_path) if "mask" in stem or "overlay" in stem or "cams" in stem] == []


def test_a_label_pyramid_is_no_image(tmp_path) -> None:
    """It is known without record and ledger, also while it is being written."""
    picture(tmp_path / "a.png")
    LabelPyramid.create(tmp_path / "slide.ome.zarr", (600, 600), ClassTable.from_names(("fat",)))
    assert stems(tmp_path) == ["a"]


def test_results_that_others_saved_again_are_still_results(predictor, tmp_path) -> None:
    """A mask that was corrected by hand has lost its mark; record and ledger name it."""
    picture(tmp_path / "a.png")
    run(run_batch_steps(find_sources([tmp_path]), predictor, QUICK, tmp_path))
    mask = tmp_path / "a_mask.tif"
    tifffile.imwrite(mask, tifffile.imread(mask), software="another program")
    assert stems(tmp_path) == ["a"]
    (tmp_path / "a.json").unlink()
    assert stems(tmp_path) == ["a"]
    (tmp_path / LEDGER_NAME).unlink()
    assert stems(tmp_path) == ["a", "a_mask"], "nothing says any more whose it is"


def test_a_result_that_is_named_is_taken_with_a_notice(predictor, tmp_path) -> None:
    picture(tmp_path / "a.png")
    run(run_batch_steps(find_sources([tmp_path]), predictor, QUICK, tmp_path))
    found = look_for_sources([tmp_path / "a_overlay.png"])
    assert [source.stem for source in found.sources] == ["a_overlay"]
    (said,) = found.notices
    assert said.startswith("1 file(s) made by napari-construct itself are read because they are named (")


def test_results_beside_images_that_are_named_are_left_out(predictor, tmp_path) -> None:
    """A shell expands ``*.png`` and ``*.tif`` to the results of an earlier run too."""
    picture(tmp_path / "a.png")
    run(run_batch_steps(find_sources([tmp_path]), predictor, QUICK, tmp_path))
    every = sorted(path for path in tmp_path.iterdir() if path.suffix in (".png", ".tif"))
    assert len(every) > 1
    found = look_for_sources(every)
    assert [source.stem for source in found.sources] == ["a"]
    assert "left out" in found.notices[0]
    assert "name them without others" in found.notices[0]


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_input_of_the_same_run_is_never_replaced(predictor, tmp_path, overwrite: bool) -> None:
    for name in ("a.png", "a_overlay.png"):
        picture(tmp_path / name)
    before = (tmp_path / "a_overlay.png").read_bytes()
    quick = QUICK.changed(outputs=("mask", "overlay"))
    sources = find_sources([tmp_path / "a.png", tmp_path / "a_overlay.png"])
    with pytest.raises(ConfigurationError, match="none of the inputs"):
        run(run_batch_steps(sources, predictor, quick, tmp_path, overwrite=overwrite))
    assert (tmp_path / "a_overlay.png").read_bytes() == before
    assert not (tmp_path / "a_mask.tif").exists()


def test_an_ome_zarr_of_ours_is_an_image_where_nothing_names_it(predictor, tmp_path) -> None:
    picture(tmp_path / "a.png")
    made = tmp_path / "made"
    quick = QUICK.changed(outputs=("zarr",))
    (tmp_path / "set").mkdir()
    run(run_batch_steps(find_sources([tmp_path / "a.png"]), predictor, quick, made))
    shutil.copytree(made / "a.ome.zarr", tmp_path / "set" / "a.ome.zarr")
    (source,) = find_sources([tmp_path / "set"])
    assert source.stem == "a"
    np.testing.assert_array_equal(source.read().pixels, find_sources([tmp_path / "a.png"])[0].read().pixels)
    before = source.fingerprint()
    assert before == source.fingerprint()
    chunk = next(path for path in (tmp_path / "set").rglob("c/0/*/*") if path.is_file())
    chunk.write_bytes(chunk.read_bytes() + b"\0")
    assert source.fingerprint() != before
    with pytest.raises(ConfigurationError, match=r"at least one image .* 5 result\(s\) of napari-construct"):
        find_sources([made])
    assert [s.stem for s in find_sources([made / "a.ome.zarr"])] == ["a"], "named, it is taken"


@links
def test_a_link_to_nothing_fails_alone_and_linked_folders_are_read(predictor, tmp_path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "store").mkdir()
    picture(tmp_path / "set" / "own.png")
    picture(tmp_path / "store" / "far.png", 1)
    (tmp_path / "set" / "more").symlink_to("../store")
    (tmp_path / "set" / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "set" / "loop.png").symlink_to("loop.png")
    (tmp_path / "set" / "same.png").symlink_to("own.png")
    found = look_for_sources([tmp_path / "set"])
    report = run(run_batch_steps(found.sources, predictor, QUICK, tmp_path / "out"))
    assert found.notices == (
        f"{tmp_path / 'set'}: 2 link(s) lead nowhere (gone.png, loop.png)",
        "1 image(s) are linked to, or given, more than once; each is read once (same.png)",
    )
    assert {e.name: e.state for e in report.entries} == {
        "own": "done", "more/far": "done", "gone": "failed", "loop": "failed",
    }  # fmt: skip
    assert "a link to nothing" in report.failed[0].error


def test_notices_reach_whoever_follows(predictor, folder, tmp_path) -> None:
    events: list[Event] = []
    segment_folder(folder, tmp_path / "out", QUICK, model=predictor, progress=events.append)
    said = [event.message for event in events if isinstance(event, Notice) and not event.image]
    assert said == [f"{folder}: 1 other file(s) are left out (.txt; notes.txt)"]


@linux
def test_names_that_are_no_utf8_are_done_like_others(predictor, tmp_path) -> None:
    root, output = tmp_path / "set", tmp_path / "out"
    (root / os.fsdecode(b"f\xfcr")).mkdir(parents=True)
    for seed, name in enumerate(
        (b"Pr\xe4parat.png", b"f\xfcr/line\nbreak.png", b"z.png", b"Pr\xe5parat.png")
    ):
        picture(os.fsencode(root) + b"/" + name, seed)
    (root / os.fsdecode(b"br\xf6ken.png")).write_bytes(b"no image")
    report = run(run_batch_steps(find_sources([root]), predictor, QUICK, output))
    assert [e.name for e in report.done] == ["Pr%E4parat", "Pr%E5parat", "f%FCr/line%0Abreak", "z"]
    (failed,) = report.failed
    assert "br%F6ken.png: expected" in failed.error
    assert (output / "Pr%E4parat_mask.tif").is_file()
    assert (output / "f%FCr" / "line%0Abreak.json").read_text("utf-8")
    assert len((output / "batch.csv").read_text("utf-8").splitlines()) == 6
    assert set(read_ledger(output / LEDGER_NAME)[1]) == {entry.key for entry in report.entries}
    assert len(run(run_batch_steps(find_sources([root]), predictor, QUICK, output)).resumed) == 4


def test_a_folder_that_was_normalised_otherwise_goes_on(predictor, tmp_path) -> None:
    root, output = tmp_path / "set", tmp_path / "out"
    root.mkdir()
    decomposed, composed = (
        root / f"{unicodedata.normalize(form, 'Präparat')}.png" for form in ("NFD", "NFC")
    )
    picture(decomposed)
    run(run_batch_steps(find_sources([root]), predictor, QUICK, output))
    decomposed.rename(composed)
    assert len(run(run_batch_steps(find_sources([root]), predictor, QUICK, output)).resumed) == 1


@linux
def test_names_that_look_equal_are_both_done(predictor, tmp_path) -> None:
    names = [unicodedata.normalize(form, "Präparat.png") for form in ("NFD", "NFC")]
    for seed, name in enumerate((*names, "präparat.png", "A.png", "a.PNG")):
        picture(tmp_path / name, seed)
    report = run(run_batch_steps(find_sources([tmp_path]), predictor, QUICK, tmp_path / "out"))
    assert len(report.done) == 5
    files = [name for entry in report.entries for name in entry.files.values()]
    assert len({folded(name) for name in files}) == len(files), "apart where case is ignored too"


@pytest.mark.parametrize("length", [231, 246, 251])
def test_long_names_are_done_and_said(predictor, tmp_path, length) -> None:
    root = tmp_path / "set"
    root.mkdir()
    picture(root / ("x" * length + ".png"))
    picture(root / ("ä" * (length // 2) + ".png"), 1)
    found = look_for_sources([root])
    quick = QUICK.changed(outputs=ALL_KINDS)
    report = run(run_batch_steps(found.sources, predictor, quick, tmp_path / "out"))
    assert [entry.error for entry in report.entries] == ["", ""]
    assert all(
        (tmp_path / "out" / name).exists() for entry in report.entries for name in entry.files.values()
    )
    assert ("names so long that those of their results are shortened" in "".join(found.notices)) == (
        length > 232
    )


def test_too_long_paths_say_what_helps(predictor, tmp_path) -> None:
    picture(tmp_path / "a.png")
    deep = tmp_path.joinpath(*(["d" * 200] * 25))
    (source,) = find_sources([tmp_path / "a.png"])
    with pytest.raises(ConstructError, match="shorter names"):
        run(run_batch_steps([source], predictor, QUICK, deep))


def test_stems_are_distinct_also_beside_planes(tmp_path) -> None:
    planes = np.zeros((2, 32, 32, 3), np.uint8)
    tifffile.imwrite(tmp_path / "x.tif", planes, photometric="rgb")
    for name in ("x_p1.png", "X_P2.png", "y.png"):
        picture(tmp_path / name, side=32)
    assert sorted(stems(tmp_path)) == ["X_P2", "x_2_p1", "x_2_p2", "x_p1", "y"]


def test_stems_keep_the_structure_of_folders() -> None:
    assert distinct_stems(["v1.0/a.png", "v1.0/a.tif", "a.png"]) == ["v1.0/a_png", "v1.0/a_tif", "a"]
    assert distinct_stems(["A.png", "a.png"]) == ["A_png", "a_png_2"]
    assert distinct_stems([]) == []


@settings(deadline=None)
@given(st.lists(st.builds(str.__add__, STEMS, ENDINGS), max_size=12))
def test_stems_never_collide(names: list[str]) -> None:
    given_names = distinct_stems(names)
    assert len(given_names) == len(names)
    assert len(set(map(folded, given_names))) == len(names)
    assert all(Path(stem).parent == Path(name).parent for stem, name in zip(given_names, names, strict=True))
    assert distinct_stems(names) == given_names


@pytest.mark.parametrize("name", ["image{}.png", "image.png"])
def test_stems_of_many_are_found_in_linear_time(name: str) -> None:
    def seconds(count: int) -> float:
        names = [name.format(i) for i in range(count)]
        start = time.process_time()
        assert len(set(distinct_stems(names))) == count
        return time.process_time() - start

    seconds(100)
    assert seconds(20_000) < 4


@linux
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.sets(RAW_NAMES, min_size=1, max_size=6))
def test_any_names_have_keys_and_stems_of_their_own(tmp_path_factory, raw: set[bytes]) -> None:
    root = tmp_path_factory.mktemp("names")
    for name in raw:
        (root / os.fsdecode(name + b".png")).touch()
    shown = [name for name in raw if not (name + b".png").startswith((b".", b"~$"))]
    if not shown:
        return
    sources = find_sources([root])
    assert len(sources) == len(shown)
    assert len({source.key for source in sources}) == len({folded(s.stem) for s in sources}) == len(sources)
    for source in sources:
        f"{source.key}{source.stem}".encode()
