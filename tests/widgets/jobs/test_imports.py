"""What is slow to import is imported by the job, not by the GUI thread when it shows what came."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.gui


@pytest.mark.parametrize(
    ("job", "shown"), [("train", "parts.plots"), ("evaluate", "evaluate.confusion_plot")]
)
def test_a_job_imports_what_its_outcome_is_shown_with(job, shown) -> None:
    code = (
        "import sys\n"
        f"from napari_construct.widgets.{job}.job import load_libraries\n"
        "assert 'torch' not in sys.modules\n"
        "load_libraries()\n"
        f"print('torch' in sys.modules, 'napari_construct.widgets.{shown}' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "True"]
