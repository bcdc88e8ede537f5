from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_construct.exceptions import InputError
from napari_construct.reading.npz import archive
from napari_construct.reading.npz.archive import NpzFile

X = np.random.default_rng(0).random((5, 8, 9, 2), dtype=np.float32)


def saved(path: Path, *, packed: bool = True, **arrays: Any) -> Path:
    (np.savez_compressed if packed else np.savez)(path, **arrays)
    return path


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def zipped(path: Path, members: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as made:
        for name, data in members.items():
            made.writestr(name, data)
    return path


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("in_memory", [2**27, 64])
def test_rows(tmp_path: Path, packed: bool, in_memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "IN_MEMORY", in_memory)
    file = NpzFile(saved(tmp_path / "a.npz", packed=packed, X=X, names=np.array(["a", "bc"])))
    assert file.names == ("X", "names")
    array = file.array("X")
    assert (array.shape, array.dtype) == (X.shape, X.dtype)
    for index in (3, 0, 4):
        np.testing.assert_array_equal(array.row(index), X[index])
    again = pickle.loads(pickle.dumps(array))
    np.testing.assert_array_equal(again.row(2), X[2])
    assert file.array("names").whole(100).tolist() == ["a", "bc"]
    with pytest.raises(IndexError):
        array.row(5)
    with pytest.raises(InputError, match="expected at most 10 bytes"):
        array.whole(10)


def test_stored_rows_are_read_where_they_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = NpzFile(saved(tmp_path / "a.npz", packed=False, X=X)).array("X")
    monkeypatch.setattr(archive.NpzArray, "_unpack", lambda _: pytest.fail("unpacked"))
    np.testing.assert_array_equal(array.row(4), X[4])


class Trap:
    """What a hostile pickle does when it is loaded."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("a pickle was loaded",))


def test_objects_are_never_loaded(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.npz", {"X.npy": npy(np.array([1, "a"], dtype=object))})
    with pytest.raises(InputError, match=r"a.npz \(X\): expected an array of numbers, got Python objects"):
        NpzFile(path).array("X")
    trap = saved(tmp_path / "b.npz", X=np.array([Trap()], dtype=object))
    with pytest.raises(InputError, match="never loaded"):
        NpzFile(trap).array("X")


def test_sizes_are_checked_before_anything_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = saved(tmp_path / "a.npz", X=np.zeros((100, 1000, 100), np.uint8))
    assert bomb.stat().st_size < 20_000
    monkeypatch.setattr(archive.NpzArray, "_unpack", lambda _: pytest.fail("unpacked"))
    with pytest.raises(InputError, match=r"expected at most 1,000,000 bytes, the file says 10,000,128"):
        NpzFile(bomb, largest=10**6).array("X")


def test_headers_that_contradict_the_file(tmp_path: Path) -> None:
    whole = npy(X)
    header = whole[: len(whole) - X.nbytes]
    short = zipped(tmp_path / "a.npz", {"X.npy": header + bytes(100)})
    with pytest.raises(InputError, match=r"X of shape \(5, 8, 9, 2\) needs 2,880 bytes, and 100 are there"):
        NpzFile(short).array("X")
    claims = header.replace(b"(5, 8, 9, 2)", b"(5, 8, 9, 9)")
    with pytest.raises(InputError, match="needs 12,960 bytes"):
        NpzFile(zipped(tmp_path / "b.npz", {"X.npy": claims + X.tobytes()})).array("X")
    absurd = header.replace(b"(5, 8, 9, 2), }  ", b"(9999999999999,)} ")
    with pytest.raises(InputError, match="expected"):
        NpzFile(zipped(tmp_path / "c.npz", {"X.npy": absurd + X.tobytes()})).array("X")


def test_a_directory_that_lies_of_the_size(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz", X=X)
    data = bytearray(path.read_bytes())
    start = data.rindex(b"PK\x01\x02")
    real = int.from_bytes(data[start + 24 : start + 28], "little")
    for place in (start + 24,):  # of the directory, which zipfile believes
        data[place : place + 4] = (real + 4).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"damaged"):
        NpzFile(path).array("X").row(0)


@pytest.mark.parametrize("packed", [True, False])
def test_cut_and_changed_files(tmp_path: Path, packed: bool) -> None:
    path = saved(tmp_path / "a.npz", packed=packed, X=X)
    data = path.read_bytes()
    file = NpzFile(path)
    array = file.array("X")
    path.write_bytes(data[:300])
    with pytest.raises(InputError, match=r"damaged or none"):
        array.row(4)
    with pytest.raises(InputError, match=r"expected a whole npz file"):
        NpzFile(path)
    changed = bytearray(data)
    changed[len(data) // 2] ^= 255
    path.write_bytes(changed)
    if packed:
        with pytest.raises(InputError, match="damaged"):
            NpzFile(path).array("X").row(0)


def test_other_arrays(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz", X=np.asfortranarray(X[..., 0]), y=np.zeros(3, "f4,i4"), z=np.float64(1))
    file = NpzFile(path)
    with pytest.raises(InputError, match=r"Fortran order; save numpy\.ascontiguousarray"):
        file.array("X")
    with pytest.raises(InputError, match="expected an array of numbers"):
        file.array("y")
    with pytest.raises(InputError, match=r"expected an array 'images', got X, y, z"):
        file.array("images")
    assert file.array("z").whole(8) == 1
    with pytest.raises(InputError, match="expected an array of numpy"):
        NpzFile(zipped(tmp_path / "b.npz", {"X.npy": b"no array"})).array("X")
    twice = tmp_path / "c.npz"
    with pytest.warns(UserWarning, match="Duplicate"):
        zipfile_with_two(twice)
    with pytest.raises(InputError, match="two arrays of one name"):
        NpzFile(twice)


def zipfile_with_two(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("X.npy", npy(X))
        made.writestr("X.npy", npy(X))


def test_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = NpzFile(saved(tmp_path / "a.npz", X=X)).array("X")
    monkeypatch.setattr(archive, "IN_MEMORY", 64)
    monkeypatch.setattr(archive, "_SPARE", 2**62)
    with pytest.raises(InputError, match=r"expected room for 0.0 GB in .*set TMPDIR"):
        array.row(0)


def test_what_is_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.npz"):
        with pytest.raises(InputError, match="expected an npz file"):
            NpzFile(path)
    (tmp_path / "a.npz").write_bytes(b"text")
    with pytest.raises(InputError, match="expected a whole npz file"):
        NpzFile(tmp_path / "a.npz")
