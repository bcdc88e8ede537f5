"""With and without numba: when it is imported, and that both ways give the same result."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from napari_construct.crf import dense_crf

BLOCKED = {
    "absent": "import sys; sys.modules['numba'] = None",
    # as where llvmlite's library does not load
    "broken": """
import sys
class Broken:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] == 'numba':
            raise OSError('Could not load shared object file: libllvmlite.so')
sys.meta_path.insert(0, Broken())
""",
    "turned off": "import os; os.environ['NUMBA_DISABLE_JIT'] = '1'",
}

REFINE = """
import numpy as np
from napari_construct.crf import dense_crf
given = np.load(sys.argv[1])
refined = dense_crf(given['image'], given['probabilities'], accuracy='medium')
np.savez(sys.argv[2], probabilities=refined.probabilities, labels=refined.labels)
from napari_construct.crf.base.numba_gate import numba_works
assert not numba_works()
"""


@pytest.mark.usefixtures("needs_numba")
@pytest.mark.parametrize("way", BLOCKED)
def test_without_numba_torch_gives_the_same(tissue, probabilities, tmp_path, way):
    image, p = tissue[40:200, 30:180].copy(), probabilities[:, 40:200, 30:180].copy()
    np.savez(tmp_path / "given.npz", image=image, probabilities=p)
    files = [str(tmp_path / name) for name in ("given.npz", "refined.npz")]
    subprocess.run([sys.executable, "-c", f"import sys\n{BLOCKED[way]}\n{REFINE}", *files], check=True)
    ours = dense_crf(image, p, accuracy="medium")
    with np.load(files[1]) as theirs:
        # torch rounds to bfloat16 more often, where the processor has it, and takes finer cells for it
        assert (ours.labels == theirs["labels"]).mean() > 0.995
        assert np.abs(ours.probabilities - theirs["probabilities"]).mean() < 1.5e-3


def test_numba_is_not_imported_before_it_is_needed():
    code = (
        "import sys, napari_construct.crf.inference, napari_construct.crf.warm_up; "
        "sys.exit('numba' in sys.modules or 'llvmlite' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
