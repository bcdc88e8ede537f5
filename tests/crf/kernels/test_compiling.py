from __future__ import annotations

import pytest


@pytest.mark.usefixtures("needs_numba")
def test_no_place_to_keep_what_was_compiled(monkeypatch):
    import numba

    from napari_construct.crf.kernels import compiling

    def njit(**options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return numba.njit(**options)

    monkeypatch.setattr(compiling, "njit", njit)
    assert compiling.entry(lambda x: x + 1)(2) == 3
