from __future__ import annotations

from pathlib import Path

from napari_construct.training.loop.contents import patch_hash


def test_an_ome_zarr_is_known_by_names_and_bytes_of_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "a.zarr"
    (folder / "0").mkdir(parents=True)
    (folder / "zarr.json").write_text("{}")
    (folder / "0" / "c").write_bytes(b"1")
    before = patch_hash(folder)
    assert patch_hash(folder) == before
    (folder / "0" / "c").write_bytes(b"2")
    changed = patch_hash(folder)
    (folder / "0" / "c").rename(folder / "0" / "d")
    assert len({before, changed, patch_hash(folder)}) == 3
