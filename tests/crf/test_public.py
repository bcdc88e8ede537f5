"""The package as others see it."""

from __future__ import annotations

import doctest
import subprocess
import sys

import pytest

from napari_construct import crf


def test_the_example_of_the_page():
    done = doctest.testmod(crf)
    assert done.attempted
    assert not done.failed


def test_every_public_name_is_there():
    assert all(getattr(crf, name) is not None for name in crf.__all__)
    # also after the module of that name's home was imported
    assert callable(crf.dense_crf)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no_such_name"):
        crf.no_such_name  # noqa: B018


def test_importing_the_parameters_loads_no_torch():
    code = (
        "import sys, napari_construct.crf as crf; crf.CRFParameters();"
        "assert 'torch' not in sys.modules and 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
