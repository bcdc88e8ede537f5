from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_construct.exceptions import InputError
from napari_construct.reading.tiff.file import open_tiff, other_files

OME = '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"{own}>{inside}</OME>'


def _uuid(identifier, name):
    return f'<Image><Pixels><TiffData><UUID FileName="{name}">{identifier}</UUID></TiffData></Pixels></Image>'


@pytest.mark.parametrize(
    ("own", "inside", "others"),
    [
        ("", "", ()),
        (' UUID="urn:a"', _uuid("urn:a", "old name.tif"), ()),
        (' UUID="urn:a"', _uuid("urn:a", "me.tif") + _uuid("urn:b", "b.tif"), ("b.tif",)),
        ("", _uuid("urn:a", "ME.tif"), ()),
        ("", _uuid("urn:a", "b.tif"), ("b.tif",)),
        ("", '<BinaryOnly MetadataFile="all.companion.ome" UUID="urn:a"/>', ("all.companion.ome",)),
    ],
)
def test_other_files_of_a_set(own, inside, others):
    assert other_files(OME.format(own=own, inside=inside), "me.tif") == others


@pytest.mark.parametrize(
    "text", ["", "no XML", "<OME", "<OME>" + "<a>" * 100_000, "<OME>\0</OME>", "<a>" * 50]
)
def test_text_that_is_no_ome_names_no_file(text):
    assert other_files(text, "me.tif") == ()


def test_pages_are_found_and_the_file_has_no_neighbours(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((2, 16, 16), np.uint8), photometric="minisblack")
    with open_tiff(path) as tif:
        assert len(tif.pages) == 2
        assert tif.filehandle.dirname == ""
        assert not tif.filehandle.is_file
    path.unlink()  # nothing holds it open


@pytest.mark.parametrize(
    "content", [b"", b"II", b"II*\0", b"MM\0+" + bytes(12), b"%PDF-1.7", b"II*\0\xff\xff\xff\x7f"]
)
def test_what_is_no_tiff(tmp_path, content):
    path = tmp_path / "a.tif"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.tif: expected .*;"), open_tiff(path):
        pass
