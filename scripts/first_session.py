"""Act a first session out in a real napari, with clicks, keys, drags and drops, and check what a person sees.

    python scripts/first_session.py [--data ../shared/data] [--output first_session] [--only STEP ...]

Writes a picture of the whole window after each step, a sheet of the dock (300 and 700 px wide, dark and
light), and ``report.md``: what was checked and what was seen. Starts itself again under ``xvfb-run`` where
there is no display. The exit status is the number of checks that failed, at most 100.
"""

from __future__ import annotations

import time

STARTED = time.monotonic()  # before anything is imported: a person waits for the imports too

import argparse  # noqa: E402
import os  # noqa: E402
import shutil  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import traceback  # noqa: E402
from collections.abc import Callable  # noqa: E402
from dataclasses import dataclass, field  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]
WIDTHS = (300, 700)
WAIT_S = 300.0


@dataclass(frozen=True)
class Check:
    """One thing that a person expects, and what was seen."""

    step: str
    what: str
    ok: bool
    seen: str


@dataclass
class Session:
    """A viewer, the person's files, and what was seen."""

    viewer: Any
    data: Path
    folder: Path
    output: Path
    step: str = ""
    checks: list[Check] = field(default_factory=list)

    def check(self, what: str, ok: object, seen: object = "") -> None:
        """Note one expectation; the session goes on where it is not met."""
        self.checks.append(Check(self.step, what, bool(ok), " ".join(str(seen).split())[:300]))
        print(f"{'ok  ' if ok else 'FAIL'} {self.step}: {what} [{self.checks[-1].seen}]", flush=True)

    def names(self) -> list[str]:
        """The names of the layers, from the bottom."""
        return [layer.name for layer in self.viewer.layers]

    @property
    def dock(self) -> Any:
        """The dock ConStruct as Qt has it."""
        from qtpy.QtWidgets import QApplication, QDockWidget

        QApplication.processEvents()
        docks = self.window.findChildren(QDockWidget)
        return next(d for d in docks if "ConStruct" in d.windowTitle() and d.isVisible())

    @property
    def window(self) -> Any:
        from tests.widgets import person

        return person.window_of(self.viewer)

    def page(self) -> Any:
        """The step's page that is on view."""
        return self.dock.widget()

    def words(self) -> str:
        """Every text on view in the dock."""
        from tests.widgets import person

        return person.words(self.page())

    def wait(self, happened: Callable[[], Any], what: str, seconds: float = WAIT_S) -> float:
        """Keep the window alive until something happened; returns how long it took."""
        from qtpy.QtTest import QTest

        began = time.monotonic()
        while not happened():
            if time.monotonic() - began > seconds:
                raise TimeoutError(
                    f"{what} did not come within {seconds:.0f} s; on view: {self.words()[-600:]}"
                )
            QTest.qWait(50)
        QTest.qWait(150)
        return time.monotonic() - began

    def look(self, name: str) -> None:
        """Pictures: the whole window, and the dock in both widths and themes on one sheet."""
        from napari.settings import get_settings
        from PIL import Image
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest

        QTest.qWait(300)
        path = self.output / f"{name}.png"
        self.viewer.screenshot(str(path), canvas_only=False, flash=False)
        sheets = []
        for theme in ("dark", "light"):
            get_settings().appearance.theme = theme
            for width in WIDTHS:
                self.window.resizeDocks([self.dock], [width], Qt.Orientation.Horizontal)
                QTest.qWait(300)
                grabbed = path.with_suffix(".part.png")
                self.dock.grab().save(str(grabbed))
                sheets.append(Image.open(grabbed).convert("RGB"))
                grabbed.unlink()
                least = self.page().minimumSizeHint().width()
                self.check(
                    f"{name}: the dock can be {width} px wide",
                    self.dock.width() <= width + 40,
                    f"{self.dock.width()} px, needs {least}",
                )
        get_settings().appearance.theme = "dark"
        self.window.resizeDocks([self.dock], [420], Qt.Orientation.Horizontal)
        sheet = Image.new("RGB", (sum(s.width + 8 for s in sheets), max(s.height for s in sheets)), "white")
        left = 0
        for one in sheets:
            sheet.paste(one, (left, 0))
            left += one.width + 8
        sheet.save(self.output / f"{name}_dock.png")


Step = Callable[[Session], None]
STEPS: dict[str, Step] = {}


def step(function: Step) -> Step:
    STEPS[function.__name__] = function
    return function


def run_of(session: Session) -> Any:
    """The run button of the page on view."""
    from napari_construct.widgets.fields.named_button import NamedButton

    named = [one for one in session.page().findChildren(NamedButton) if one.isVisible()]
    assert len(named) == 1, [one.text() for one in named]
    return named[0]


def go(session: Session, name: str) -> None:
    """Click on a step."""
    from qtpy.QtWidgets import QAbstractButton
    from tests.widgets import person

    person.click(person.find(person.find(session.page(), "Steps"), name, QAbstractButton))


def segment(session: Session) -> float:
    """Click on the run button and wait for the end of the run; returns the seconds."""
    from tests.widgets import person

    button = run_of(session)
    session.wait(button.isEnabled, "Run")
    person.click(button)
    took = session.wait(lambda: not button.text().startswith("Cancel"), "the end of the run")
    session.wait(lambda: "of the tissue" in session.words() or "None of" in session.words(), "the result", 20)
    return took


# ---------------------------------------------------------------------------------------------- steps


@step
def launch(s: Session) -> None:
    """From launch to the mask of the user's own image."""
    from qtpy.QtTest import QTest
    from tests.widgets import person

    own = s.folder / "testA_35.jpg"
    shutil.copy(s.data / "glas" / "val" / "img" / own.name, own)
    person.menu(s.viewer, "Plugins", "napari-construct", "ConStruct")
    person.drop(person.canvas(s.viewer), [own])
    s.wait(lambda: "testA_35" in s.names(), "the image", 20)
    segment(s)
    seconds = time.monotonic() - STARTED
    s.check("own image to mask from launch within 20 s", seconds <= 20, f"{seconds:.1f} s")
    s.check("with at most five uses of the mouse", len(person.USED) <= 5, ", ".join(person.USED))
    top = s.viewer.layers[-1]
    s.check(
        "the mask is on top, visible and active",
        "mask" in top.name and top.visible and s.viewer.layers.selection.active is top,
        s.names(),
    )
    s.check("one layer was added, not one for each class", len(s.names()) == 2, s.names())
    s.check("the button says which image", "testA_35" in run_of(s).text(), run_of(s).text())
    QTest.qWait(300)
    s.look("01_own_image")


@step
def keyboard(s: Session) -> None:
    """Every key that a person needs while painting."""
    import numpy as np
    from qtpy.QtCore import Qt
    from tests.widgets import person

    on, mask = person.canvas(s.viewer), s.viewer.layers[-1]
    before = np.array(mask.data)
    for key, mode in (("p", "paint"), ("e", "erase"), ("f", "fill"), ("l", "pick")):
        person.press(on, key)
        s.check(f"key {key} chooses {mode}", str(mask.mode) == mode, mask.mode)
    person.press(on, "p")
    person.press(on, "2")
    s.check("a digit chooses the class while painting", mask.selected_label == 2, mask.selected_label)
    person.press(on, "1")  # all of the mask has the other class
    mask.brush_size = 20
    person.stroke(on)
    painted = np.array(mask.data)
    s.check("a stroke paints", (painted != before).any(), int((painted != before).sum()))
    person.undo(on)
    s.check("Ctrl+Z takes it back", np.array_equal(mask.data, before))
    person.press(on, Qt.Key.Key_Z, person.CONTROL | person.SHIFT)
    s.check("Ctrl+Shift+Z brings it again", np.array_equal(mask.data, painted))
    person.press(on, "7")


@step
def rerun(s: Session) -> None:
    """A second run keeps the mask that was painted on."""
    import numpy as np
    from tests.widgets import person

    touched = s.viewer.layers[-1]
    kept = np.array(touched.data)
    person.click_layer(s.viewer, "testA_35")
    segment(s)
    s.check(
        "a painted mask is never replaced",
        touched in s.viewer.layers and np.array_equal(touched.data, kept),
        s.names(),
    )
    count = len(s.names())
    segment(s)
    s.check("a mask that nobody touched is replaced by the next one", len(s.names()) == count, s.names())


@step
def other_image(s: Session) -> None:
    """Another image: the choosers follow, nothing stale stays."""
    from tests.widgets import person

    before = s.words()
    person.menu(s.viewer, "File", "Open Sample", "napari-construct", "Lymph node with tumour (H")
    s.wait(lambda: "lymph node" in s.names(), "the sample", 30)
    s.wait(lambda: "lymph node" in run_of(s).text(), "the button to follow", 5)
    stale = [line for line in s.words().splitlines() if line.startswith("Done") and line in before]
    s.check("the summary of the other image is gone", not stale, stale)
    segment(s)
    s.look("02_sample")
    person.click_layer(s.viewer, "testA_35")
    s.check("the button follows back", "testA_35" in run_of(s).text(), run_of(s).text())


@step
def own_slide(s: Session) -> None:
    """A small slide of the user's own."""
    from tests.widgets import person

    own = s.data / "slides" / "CMU-1-Small-Region.svs"
    count = len(s.names())
    person.drop(s.page(), [own])
    try:
        s.wait(lambda: len(s.names()) > count, "the slide", 20)
    except TimeoutError as error:
        s.check("a slide dropped on the dock opens, or it is said why not", "CMU-1" in s.words(), error)
        return
    segment(s)
    s.check("the slide is segmented", "CMU-1" in s.viewer.layers[-1].name, s.names())
    s.look("03_slide")


@step
def stack(s: Session) -> None:
    """A stack: one summary, each notice once."""
    from qtpy.QtWidgets import QComboBox
    from tests.widgets import person

    person.menu(s.viewer, "File", "Open Sample", "napari-construct", "Stack of four")
    s.wait(lambda: any("stack" in name for name in s.names()), "the stack", 30)
    planes = person.find(s.page(), "Planes", QComboBox)
    person.choose(planes, "All 4")
    segment(s)
    said = s.words()
    s.check("the summary is that of the stack", "plane" in said, said[-500:])
    s.look("04_stack")


@step
def refine(s: Session) -> None:
    """Sliders, painted pixels, undo."""
    import numpy as np
    from qtpy.QtWidgets import QAbstractButton, QSlider
    from tests.widgets import person

    go(s, "Segment")
    person.click_layer(s.viewer, "testA_35")
    person.click(person.find(s.page(), "Refine the mask", QAbstractButton))
    s.wait(lambda: "Colour weight" in s.words() or s.page().findChildren(QSlider), "the sliders", 10)
    sliders = [w for w in s.page().findChildren(QSlider) if w.isVisible()]
    began = time.monotonic()
    person.slide(sliders[0], 0.7)
    s.wait(lambda: any("refined" in name for name in s.names()), "the refined mask", 30)
    s.check(
        "the first change shows within 3 s", time.monotonic() - began < 3, f"{time.monotonic() - began:.1f} s"
    )
    mask = next(layer for layer in s.viewer.layers if "refined" in layer.name)
    person.click_layer(s.viewer, mask.name)
    on = person.canvas(s.viewer)
    person.press(on, "p")
    mask.brush_size = 15
    before = np.array(mask.data)
    person.stroke(on, (-150, -100), (-110, -100))  # not where the mask was painted on before
    painted = np.array(mask.data) != before
    for part in (0.2, 0.9, 0.4):
        person.slide(sliders[0], part)
        s.wait(lambda: "Refining" not in s.words(), "the refinement", 60)
    s.check(
        "painted pixels are kept",
        painted.any() and (np.array(mask.data)[painted] != before[painted]).all(),
        int(painted.sum()),
    )
    s.check("and counted", "painted" in s.words(), s.words()[-300:])
    s.look("05_refine")


@step
def save(s: Session) -> None:
    """Saved by the next step of Refine, opened again."""
    from qtpy.QtWidgets import QAbstractButton
    from tests.widgets import person

    mask = next(layer for layer in s.viewer.layers if "refined" in layer.name)
    go(s, "Refine")
    person.click_layer(s.viewer, mask.name)
    person.answer("", wait=30_000)
    person.click(person.find(s.page(), "Save the mask", QAbstractButton))
    s.wait(lambda: list(s.folder.glob("*.tif*")), "the file", 30)
    (file,) = s.folder.glob("*.tif*")
    count = len(s.names())
    person.drop(person.canvas(s.viewer), [file])
    s.wait(lambda: len(s.names()) > count, "the file to open", 20)
    again = s.viewer.layers[-1]
    s.check(
        "it opens as a mask with classes and colours",
        type(again).__name__ == "Labels" and "class" in again.features,
        f"{file.name}: {type(again).__name__}",
    )
    s.check("with its scale", tuple(again.scale[-2:]) == tuple(mask.scale[-2:]), again.scale)


@step
def wrong_things(s: Session) -> None:
    """Files that are no images, an image of fluorescence, nothing at all."""
    from tests.widgets import person

    go(s, "Segment")
    text = s.folder / "notes.txt"
    text.write_text("no image")
    person.drop(s.page(), [text])
    s.check("a text file is refused in a sentence", "notes.txt" in s.words(), s.words()[-300:])
    person.drop(person.canvas(s.viewer), [next((s.data / "nuclei" / "images").iterdir())])
    s.wait(lambda: True, "", 1)
    s.look("06_wrong")


@step
def train_camelyon(s: Session) -> None:
    """From a folder of patches to a model in use."""
    trained(s, s.data / "camelyon" / "train", "07_train_camelyon", epochs="3")


@step
def train_glas(s: Session) -> None:
    """Other patches after it: fresh values, masks for validation."""
    from tests.widgets import person

    trained(s, s.data / "glas" / "train", "08_train_glas", epochs="1")
    s.check(
        "nothing of the first data set is left", "camelyon" not in person.words(s.page()), s.words()[:400]
    )


def trained(s: Session, patches: Path, picture: str, epochs: str) -> None:
    """Choose patches, train, use the model."""
    from qtpy.QtWidgets import QPushButton
    from tests.widgets import person

    own = s.folder / patches.parent.name  # models are suggested beside the patches, which are not ours
    shutil.copytree(patches.parent, own)
    go(s, "Train")
    used = len(person.USED)
    person.drop(s.page(), [own / patches.name])
    s.wait(lambda: "Checking" not in s.words() and run_of(s).isEnabled(), "the check of the patches", 60)
    s.look(f"{picture}_before")
    person.click(person.find(s.page(), "Pixel size 0.25 µm"))
    person.write(person.find(s.page(), "Epochs"), epochs)
    button = run_of(s)
    person.click(button)
    s.wait(lambda: "Done" in s.words(), "the end of the training")
    person.click(person.find(s.page(), "Use this model", QPushButton))
    clicks = person.USED[used:]
    s.check(
        "a folder to a model in use with at most six uses of the mouse", len(clicks) <= 6, ", ".join(clicks)
    )
    go(s, "Train")
    s.look(picture)


@step
def other_pages(s: Session) -> None:
    """Prototypes, Batch, Evaluate and Models."""
    for number, name in enumerate(("Prototypes", "Batch", "Evaluate", "Models"), start=9):
        go(s, name)
        s.wait(lambda: "being loaded" not in s.words(), name, 60)
        s.look(f"{number:02}_{name.lower()}")


def words_of_the_command_line(s: Session) -> None:
    """No option of a command in the window."""
    found = [word for word in s.words().split() if word.startswith("--")]
    s.check("no words of the command line", not found, found)


def popups(s: Session) -> None:
    """No window but napari's."""
    from qtpy.QtWidgets import QApplication

    others = [w for w in QApplication.topLevelWidgets() if w.isVisible() and w is not s.window]
    s.check("no popup that is not meant", not others, [type(w).__name__ for w in others])


def main() -> int:
    parser = argparse.ArgumentParser(description="Act a first session out and check what a person sees.")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--output", type=Path, default=Path("first_session"))
    parser.add_argument(
        "--only", nargs="*", choices=list(STEPS), help="some of the steps; launch is always acted"
    )
    options = parser.parse_args()
    from screenshots import ensure_display

    ensure_display()
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NAPARI_CONSTRUCT_WIDGETS"] = str(Path(folder) / "widgets.ini")
        import napari

        viewer = napari.Viewer()
        viewer.window.resize(1600, 1000)
        session = Session(viewer, options.data.resolve(), Path(folder), options.output.resolve())
        for name, act in STEPS.items():
            if name == "launch" or not options.only or name in options.only:
                session.step = name
                play(session, act)
        viewer.close()
    report = ["| step | expected | met | seen |", "|---|---|---|---|"]
    report += [
        f"| {c.step} | {c.what} | {'yes' if c.ok else '**no**'} | {c.seen.replace('|', '/')} |"
        for c in session.checks
    ]
    (options.output / "report.md").write_text("\n".join(report) + "\n", encoding="utf-8")
    failed = sum(not c.ok for c in session.checks)
    print(f"{len(session.checks) - failed} of {len(session.checks)} expectations were met")
    return min(failed, 100)


def play(session: Session, act: Step) -> None:
    """One step; what ends it early is a check that failed."""
    try:
        act(session)
        words_of_the_command_line(session)
        popups(session)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other steps are acted
        traceback.print_exc()
        session.check("the step could be acted to its end", False, f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    sys.exit(main())
