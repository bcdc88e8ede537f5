from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from napari_construct.batch.sources import look_for_sources
from napari_construct.data.formats import image_format
from napari_construct.data.image_level import load_dataset
from napari_construct.data.listing import IMAGE_SUFFIXES, Reason, is_system, is_zarr, list_folder, list_images
from napari_construct.exceptions import ConstructError
from napari_construct.reading.names import shown

links = pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def picture(path: Path, kind: str = "PNG") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(path, format=kind)


def names(root: Path, *, recursive: bool = True) -> list[str]:
    return [path.relative_to(root).as_posix() for path in list_images(root, recursive=recursive)]


def test_suffixes_in_any_case_sorted_by_name(tmp_path: Path) -> None:
    touch(tmp_path, "b/a.PNG", "a.Tif", "c.QPTIFF", "d.svs", "e.txt", "b.jp2", "noext")
    assert names(tmp_path) == ["a.Tif", "b.jp2", "b/a.PNG", "c.QPTIFF", "d.svs"]
    assert names(tmp_path, recursive=False) == ["a.Tif", "b.jp2", "c.QPTIFF", "d.svs"]
    assert list_images(tmp_path / "gone") == ()


@pytest.mark.parametrize("suffix", sorted(IMAGE_SUFFIXES))
def test_every_suffix_that_is_read(tmp_path: Path, suffix: str) -> None:
    touch(tmp_path, f"a{suffix}", f"B{suffix.upper()}")
    assert len(list_images(tmp_path)) == 2


def test_what_is_left_out_is_counted_and_named(tmp_path: Path) -> None:
    touch(
        tmp_path, "a.png", "b.czi", "c.NDPI", "d.CZI", "notes.txt", "t.csv", ".h.png", "Thumbs.db", "._a.png"
    )
    touch(tmp_path, ".cache/x.png", "__MACOSX/y.png", ".DS_Store", "deep/z.png")
    picture(tmp_path / "photo.img")
    picture(tmp_path / "scan", "JPEG")
    listing = list_folder(tmp_path)
    assert [path.name for path in listing.images] == ["a.png", "c.NDPI"]
    unnamed, unread, other, hidden, inside = listing.notices
    assert unnamed.startswith(f"{tmp_path}: 2 file(s) hold images, but have no suffix of one")
    assert unnamed.endswith("name them to have them read (.img, no suffix; photo.img, scan)")
    assert unread.endswith("convert them to TIFF or PNG (.czi; b.czi, d.CZI)")
    assert other == f"{tmp_path}: 2 other file(s) are left out (.csv, .txt; notes.txt, t.csv)"
    assert hidden == f"{tmp_path}: 2 hidden image(s) or folder(s) are left out (.cache, .h.png)"
    assert inside == f"{tmp_path}: 1 folder(s) inside are not searched (deep)"
    system = {path.name for path in listing.because(Reason.SYSTEM)}
    assert system == {"Thumbs.db", "._a.png", "__MACOSX", ".DS_Store"}


def test_only_three_names_of_many(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{i}.txt" for i in range(9)))
    (said,) = list_folder(tmp_path).notices
    assert said.endswith("9 other file(s) are left out (.txt; 0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 4 more)")


@pytest.mark.parametrize("name", ["Thumbs.db", "THUMBS.DB", "._x", "@eaDir", "$RECYCLE.BIN", "~$a.tif"])
def test_names_of_systems(name: str) -> None:
    assert is_system(name)
    assert not is_system(f"a{name}")


@links
def test_links_are_followed_and_each_folder_is_searched_once(tmp_path: Path) -> None:
    root, store = tmp_path / "set", tmp_path / "store"
    touch(root, "own.png", "z/inner.png")
    touch(store, "s.png", "sub/t.png")
    (root / "a_more").symlink_to(store)
    (root / "b_again").symlink_to(store)
    (root / "c_inner").symlink_to(root / "z")
    (root / "d_self").symlink_to(root)
    (store / "back").symlink_to(root)
    (root / "e.png").symlink_to(store / "s.png")
    (root / "gone.png").symlink_to("nowhere.png")
    (root / "loop").symlink_to("loop")
    assert names(root) == ["a_more/s.png", "a_more/sub/t.png", "e.png", "own.png", "z/inner.png"]
    listing = list_folder(root, recursive=True)
    assert listing.notices == (f"{root}: 2 link(s) lead nowhere (gone.png, loop)",)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX only")
def test_pipes_are_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    os.mkfifo(tmp_path / "pipe.txt")
    listing = list_folder(tmp_path)
    assert listing.images == ()
    assert listing.notices == (
        f"{tmp_path}: 2 pipe(s), device(s) or socket(s) are left out (pipe.png, pipe.txt)",
    )


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read all")
def test_a_closed_folder_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "closed/b.png")
    (tmp_path / "closed").chmod(0)
    try:
        listing = list_folder(tmp_path, recursive=True)
    finally:
        (tmp_path / "closed").chmod(0o700)
    assert [path.name for path in listing.images] == ["a.png"]
    assert listing.because(Reason.CLOSED) == (tmp_path / "closed",)


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.png", "closed/b.png")
    scan = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    listing = list_folder(tmp_path, recursive=True)
    assert [path.name for path in listing.images] == ["a.png"]
    assert listing.because(Reason.CLOSED) == (tmp_path / "closed",)


def test_zarr_folders_are_one_image_each(tmp_path: Path) -> None:
    touch(tmp_path, "a.zarr/0/c/0.png", "B.OME.ZARR/x", "c/zarr.json", "d/.zattrs", "e/f.png")
    assert names(tmp_path) == ["B.OME.ZARR", "a.zarr", "c", "d", "e/f.png"]
    assert names(tmp_path, recursive=False) == ["B.OME.ZARR", "a.zarr", "c", "d"]
    assert not is_zarr(tmp_path / "e")
    touch(tmp_path, "file.zarr")
    assert not is_zarr(tmp_path / "file.zarr")


def test_the_folder_for_results_and_results_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "mine.png", "out/a.png", "sub/out/b.png")
    listing = list_folder(
        tmp_path, recursive=True, output=tmp_path / "out", is_result=lambda path: path.name == "mine.png"
    )
    assert [path.relative_to(tmp_path).as_posix() for path in listing.images] == ["a.png", "sub/out/b.png"]
    assert listing.notices == (
        f"{tmp_path}: 1 result(s) of napari-construct are no images to work on and are left out (mine.png)",
        f"{tmp_path}: 1 folder(s) for results are left out (out)",
    )
    assert len(list_folder(tmp_path / "out", output=tmp_path / "out").images) == 1, (
        "the folder itself was asked for"
    )


PART = st.text(
    st.characters(exclude_characters='/\\\0:*?"<>|', exclude_categories=("Cs",)), min_size=1, max_size=12
)
NAME = st.one_of(
    PART, PART.map(lambda name: f"{name}.png"), st.sampled_from(["a.PNG", "b.zarr", ".h.png", "t.txt"])
)
TREE = st.recursive(
    st.sampled_from(["file", "link to nothing", "link to the top", "link up"]),
    lambda inside: st.dictionaries(NAME, inside, max_size=4),
    max_leaves=12,
)


def plant(place: Path, tree: object, top: Path) -> None:
    if isinstance(tree, dict):
        place.mkdir()
        for name, inside in tree.items():
            if name not in (".", "..") and not os.path.lexists(place / name):
                plant(place / name, inside, top)
    elif tree == "file":
        place.touch()
    else:
        place.symlink_to({"link to nothing": "nowhere", "link to the top": top, "link up": ".."}[str(tree)])


@links
@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=st.dictionaries(NAME, TREE, max_size=5))
def test_any_tree_is_listed_and_nothing_is_lost(tmp_path_factory: pytest.TempPathFactory, tree: dict) -> None:
    top = tmp_path_factory.mktemp("tree") / "top"
    plant(top, tree, top)
    listing = list_folder(top, recursive=True)
    listed = [*listing.images, *(one.path for one in listing.left_out)]
    assert len(set(listed)) == len(listed)
    real = {Path(os.path.realpath(path.parent), path.name) for path in listed}
    # every file of a folder that was searched is an image or left out with a reason
    for folder, below, files in os.walk(top):
        for name in files:
            assert Path(folder, name) in real
        below[:] = [b for b in below if Path(folder, b) not in real]
    assert all(len(shown(notice).splitlines()) == 1 for notice in listing.notices)
    assert [p.relative_to(top).as_posix() for p in listing.images] == sorted(
        p.relative_to(top).as_posix() for p in listing.images
    )


def test_messages_name_every_format_that_is_read(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("no image")
    for call in (
        lambda: load_dataset(tmp_path),
        lambda: look_for_sources([tmp_path]),
        lambda: image_format(tmp_path / "notes"),
    ):
        with pytest.raises(ConstructError, match=re.escape("PNG, JPEG, BMP, JPEG 2000, WebP, TIFF, SVS")):
            call()
