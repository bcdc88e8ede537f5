"""Images of a batch: files, planes of stacks, arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_construct.batch.fingerprints import array_fingerprint, file_fingerprint
from napari_construct.data.images import ImageFile, read_image
from napari_construct.data.listing import list_images
from napari_construct.data.stacks import count_planes, read_plane
from napari_construct.exceptions import ConfigurationError, InputError


@dataclass(frozen=True, slots=True)
class Source:
    """One image of a batch.

    Attributes
    ----------
    key : str
        Name in the ledger; unique in the batch and equal in every run.
    stem : str
        Relative path of its results without suffix, with forward slashes.
    read : callable
        Reads the pixels, when the batch reaches the image. May raise any ``ConstructError``.
    fingerprint : callable
        Changes when the image or its pixel size changes.
    stack : str
        Stem of the stack that holds this plane; empty for a single image.
    plane, planes : int
        Number of this plane; number of planes.
    """

    key: str
    stem: str
    read: Callable[[], ImageFile]
    fingerprint: Callable[[], str]
    stack: str = ""
    plane: int = 0
    planes: int = 1


def find_sources(paths: Iterable[Path], *, recursive: bool = True) -> tuple[Source, ...]:
    """Images of files and folders; a TIFF stack gives one source per plane.

    Files with the suffix of an image are taken, hidden files are not. A file that is no image stays in the
    list; it fails when it is read, and the ledger names it.

    Parameters
    ----------
    paths : iterable of Path
        Files and folders.
    recursive : bool
        Whether to read sub-folders; results keep their structure.

    Raises
    ------
    ConfigurationError
        If there is no image.
    """
    found: dict[Path, str] = {}
    for path in paths:
        if path.is_dir():
            for file in list_images(path, recursive=recursive):
                found.setdefault(file.resolve(), file.relative_to(path).as_posix())
        else:
            found.setdefault(path.resolve(), path.name)
    if not found:
        raise ConfigurationError(
            "expected at least one image file (PNG, JPEG, BMP, TIFF, SVS) in what was given, got none; "
            "check the paths"
        )
    stems = distinct_stems(list(found.values()))
    return tuple(source for file, stem in zip(found, stems, strict=True) for source in _of_file(file, stem))


def distinct_stems(names: Sequence[str]) -> list[str]:
    """Names without suffix; equal ones keep their suffix, or get a number."""
    bare = [_without_suffix(name) for name in names]
    stems: list[str] = []
    for name, stem in zip(names, bare, strict=True):
        wanted = stem if bare.count(stem) == 1 else name.replace(".", "_")
        number = 2
        unique = wanted
        while unique in stems:
            unique, number = f"{wanted}_{number}", number + 1
        stems.append(unique)
    return stems


def _without_suffix(name: str) -> str:
    path = Path(name)
    return path.with_name(path.stem.removesuffix(".ome")).as_posix()


def _of_file(path: Path, stem: str) -> list[Source]:
    def fingerprint() -> str:
        return file_fingerprint(path)

    try:
        planes = count_planes(path)
    except InputError:
        planes = 1  # reading it will say why
    if planes == 1:
        return [Source(str(path), stem, lambda: read_image(path), fingerprint)]
    digits = len(str(planes))
    return [
        Source(
            key=f"{path}#{i}",
            stem=f"{stem}_p{i + 1:0{digits}d}",
            read=lambda i=i: read_plane(path, i),  # type: ignore[misc]
            fingerprint=fingerprint,
            stack=stem,
            plane=i,
            planes=planes,
        )
        for i in range(planes)
    ]


def array_source(
    name: str, read: Callable[[], ImageFile], *, stem: str, plane: int = 0, planes: int = 1
) -> Source:
    """An image in memory, such as a plane of a napari layer, known by its pixels and their size."""

    def fingerprint() -> str:
        return array_fingerprint(read())

    many = planes > 1
    return Source(
        key=f"{name}#{plane}" if many else name,
        stem=f"{stem}_p{plane + 1:0{len(str(planes))}d}" if many else stem,
        read=read,
        fingerprint=fingerprint,
        stack=stem if many else "",
        plane=plane,
        planes=planes,
    )
