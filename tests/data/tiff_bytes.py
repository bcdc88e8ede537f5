"""TIFF files written number by number, for what no library writes: any tags, any packing of samples."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

_TYPES = {"B": 1, "H": 3, "I": 4, "Q": 16}

Tags = dict[int, tuple[str, list[int]] | bytes]


def tiff_bytes(pages: list[tuple[Tags, list[bytes]]], order: str = "<", *, tiled: bool = False) -> bytes:
    """A classic TIFF of pages; each has tags and the bytes of its strips or tiles."""
    data = {"<": b"II*\0", ">": b"MM\0*"}[order] + bytes(4)
    link = 4
    for tags, segments in pages:
        offsets = []
        for segment in segments:
            offsets.append(len(data))
            data += segment
        places: Tags = {
            324 if tiled else 273: ("I", offsets),
            325 if tiled else 279: ("I", [len(s) for s in segments]),
        }
        entries = b""
        for code, given in sorted({**tags, **places}.items()):
            kind, values = ("B", list(given)) if isinstance(given, bytes) else given
            value = struct.pack(f"{order}{len(values)}{kind}", *values)
            if len(value) > 4:
                value, data = struct.pack(f"{order}I", len(data)), data + value
            count = struct.pack(f"{order}I", len(values))
            number = 2 if isinstance(given, bytes) else _TYPES[kind]
            entries += struct.pack(f"{order}HH", code, number) + count + value.ljust(4, b"\0")
        data = data[:link] + struct.pack(f"{order}I", len(data)) + data[link + 4 :]
        data += struct.pack(f"{order}H", len(entries) // 12) + entries
        link = len(data)
        data += bytes(4)
    return data


def packed(samples: np.ndarray, bits: int, order: str = "<") -> bytes:
    """Rows of samples (h, n) of this many bits; each row ends at a byte."""
    if bits in (8, 16, 32):
        return samples.astype(f"{order}u{bits // 8}").tobytes()
    spread = (samples[..., None].astype(np.uint32) >> np.arange(bits - 1, -1, -1, dtype=np.uint32)) & 1
    return np.packbits(spread.reshape(len(samples), -1).astype(np.uint8), axis=1).tobytes()


def page(
    samples: np.ndarray,
    photometric: int,
    bits: int,
    *,
    order: str = "<",
    deflate: bool = False,
    planar: bool = False,
    tile: int = 0,
    rows: int = 16,
    extra: Tags | None = None,
) -> tuple[Tags, list[bytes]]:
    """Tags and segments of (h, w, c) samples below 2 ** bits."""
    height, width, count = samples.shape
    planes = [samples[..., i : i + 1] for i in range(count)] if planar else [samples]
    segments = []
    for plane in planes:
        for top in range(0, height, tile or rows):
            band = plane[top : top + (tile or rows)]
            for left in range(0, width, tile or width):
                part = band[:, left : left + (tile or width)]
                if tile:
                    missing = (tile - part.shape[0], tile - part.shape[1])
                    part = np.pad(part, ((0, missing[0]), (0, missing[1]), (0, 0)))
                raw = packed(part.reshape(len(part), -1), bits, order)
                segments.append(zlib.compress(raw) if deflate else raw)
    tags: Tags = {
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [bits] * count),
        259: ("H", [8 if deflate else 1]),
        262: ("H", [photometric]),
        277: ("H", [count]),
        284: ("H", [2 if planar else 1]),
    }
    tags |= {322: ("H", [tile]), 323: ("H", [tile])} if tile else {278: ("H", [rows])}
    return {**tags, **(extra or {})}, segments


def write_page(path: Path, samples: np.ndarray, photometric: int, bits: int, **options: object) -> Path:
    """One page as a file."""
    order = str(options.get("order", "<"))
    made = page(samples, photometric, bits, **options)  # type: ignore[arg-type]
    path.write_bytes(tiff_bytes([made], order, tiled=bool(options.get("tile"))))
    return path
