"""The start of a GeoJSON file of napari-construct, by which its own are known, packed or not."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Final

from napari_construct.reading.marks import SOFTWARE

START: Final = f'{{"type":"FeatureCollection","creator":{json.dumps(SOFTWARE)},"features":['
"""Further members beside "features" are allowed (RFC 7946, section 6.1) and QuPath passes them over."""

_LOCAL: Final = struct.Struct("<4s22x2H")  # header of a member of a zip file; lengths of name and extra


def has_start(head: bytes) -> bool:
    """Whether a file with these first bytes, a few hundred, is ours."""
    start = START.encode()
    return _unpacked(head, len(start)) == start


def _unpacked(head: bytes, length: int) -> bytes:
    try:
        if head.startswith(b"\x1f\x8b"):
            return zlib.decompressobj(wbits=31).decompress(head, length)
        if head.startswith(b"PK\x03\x04"):
            _, name, extra = _LOCAL.unpack_from(head)
            return zlib.decompressobj(wbits=-15).decompress(head[_LOCAL.size + name + extra :], length)
    except (zlib.error, struct.error):
        return b""
    return head[:length]
