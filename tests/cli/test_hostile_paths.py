"""Every command with every option that takes a path: whatever lies there, our own errors and exit code 2."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import typer.main
from PIL import Image

from napari_construct.classes import ClassTable
from napari_construct.cli import app
from napari_construct.crossmodal.phantom import phantom
from napari_construct.export.tiff import write_mask
from napari_construct.labelling.cut import cut_patches

Call = Callable[..., Any]

LOCKED: set[str] = set()
"""Paths that the system refuses to open: tests may run as a user whom no permission stops."""


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if LOCKED and event in {"open", "os.listdir", "os.scandir", "os.mkdir"} and _is_locked(arguments[0]):
        raise PermissionError(13, "Permission denied", arguments[0])


def _is_locked(path: Any) -> bool:
    if not isinstance(path, str | bytes | os.PathLike):
        return False
    name = os.fsdecode(path)
    return any(name == locked or name.startswith(f"{locked}/") for locked in LOCKED)


sys.addaudithook(_refuse)


@dataclass(frozen=True)
class Option:
    """A path of a command: what else the command needs, where ``{}`` is the path."""

    command: tuple[str, ...]
    folder: bool = False
    output: bool = False
    """Whether it is written: then a missing one is fine."""

    read: bool = True
    """Whether the content is looked at; weights are copied, and checked when they are loaded."""

    suffix: str = ""

    @property
    def name(self) -> str:
        return " ".join(self.command)


ADD = ("prototypes", "add", "-m", "MODEL", "-o", "OUT/m.construct", "--class", "tumour")
CUT = ("label", "cut", "IMAGE", "--side", "64", "--choice", "random")
TEACH = ("teach", "CORRECTIONS/mask", "--classes", "a,b")
RETRAIN = ("retrain", "MODEL", "CORRECTIONS", "--steps", "1", "--batch-size", "2")
DISTILL = ("distill", "CELLS", "--student", "mobilenet_v3", "--steps", "1", "-o", "OUT/m.construct")
PATHS = (
    Option(("segment", "{}", "-o", "OUT"), suffix=".png"),
    Option(("segment", "IMAGE", "-m", "{}", "-o", "OUT"), suffix=".construct"),
    Option(("segment", "IMAGE", "-o", "{}"), folder=True, output=True),
    Option(("segment", "IMAGE", "-o", "OUT", "-m", "MODEL", "--settings", "{}"), suffix=".json"),
    Option(("segment", "IMAGE", "-o", "OUT", "-m", "MODEL", "--encoder-weights", "{}"), suffix=".pt"),
    Option(("segment", "IMAGE", "-o", "OUT", "-m", "MODEL", "--no-crf", "--json", "{}"), output=True),
    Option(
        ("segment", "IMAGE", "-o", "OUT", "--zero-shot", "mini", "--classes", "a;b", "--examples", "{}"),
        folder=True,
    ),
    Option(("segment", "IMAGE", "-o", "OUT", "-m", "MODEL", "--regions", "{}"), suffix=".geojson"),
    Option(("agree", "{}", "MASK"), suffix=".tif"),
    Option(("agree", "MASK", "{}"), suffix=".geojson"),
    Option(("agree", "{}", "MASK"), folder=True),
    Option(("agree", "{}", "{}"), suffix=".csv"),
    Option(("agree", "MASK", "MASK", "--html", "{}"), output=True),
    Option(("agree", "IMAGE", "MASK", "--model", "{}"), suffix=".construct"),
    Option(("areas", "{}", "-o", "OUT/a.csv"), suffix=".tif"),
    Option(("areas", "{}", "-o", "OUT/a.csv"), folder=True),
    Option(("areas", "MASK", "-o", "{}"), suffix=".csv", output=True),
    Option(("areas", "MASK", "-o", "OUT/a.csv", "--regions", "{}"), suffix=".geojson"),
    Option(("batch", "{}", "-o", "OUT"), suffix=".png"),
    Option(("batch", "{}", "-o", "OUT"), folder=True),
    Option(("batch", "{}", "-o", "OUT", "-m", "MODEL"), suffix=".svs"),
    Option(("batch", "{}", "-o", "OUT", "-m", "MODEL"), suffix=".mrxs"),
    Option(("batch", "{}", "-o", "OUT", "-m", "MODEL", "--dry-run"), suffix=".dcm"),
    Option(("batch", "{}", "-o", "OUT", "-m", "MODEL", "--dry-run"), folder=True),
    Option(("batch", "IMAGE", "-o", "{}", "-m", "MODEL", "--dry-run"), folder=True, output=True),
    Option(("batch", "IMAGE", "-o", "OUT", "-m", "{}"), suffix=".construct"),
    Option(("batch", "IMAGE", "-m", "MODEL", "--no-crf", "-o", "{}"), folder=True, output=True),
    Option(("batch", "IMAGE", "-o", "OUT", "-m", "MODEL", "--settings", "{}"), suffix=".json"),
    Option(("train", "{}", "-o", "OUT/m.construct"), folder=True),
    Option(("train", "{}", "-o", "OUT/m.construct"), suffix=".csv"),
    Option(("train", "PATCHES", "-o", "OUT/m.construct", "--val", "{}"), folder=True),
    Option(("train", "PATCHES", "-o", "OUT/m.construct", "--classes", "{}"), suffix=".csv"),
    Option(("train", "PATCHES", "-o", "OUT/m.construct", "--config", "{}"), suffix=".yaml"),
    Option(("train", "PATCHES", "-o", "OUT/m.construct", "--settings", "{}"), suffix=".json"),
    Option(("second-stage", "{}", "PATCHES", "-o", "OUT/m.construct"), suffix=".construct"),
    Option(("second-stage", "MODEL", "{}", "-o", "OUT/m.construct"), folder=True),
    Option(("second-stage", "MODEL", "PATCHES", "-o", "OUT/m.construct", "--val", "{}"), folder=True),
    Option(("retrain", "{}", "CORRECTIONS", "-o", "OUT/m.construct"), suffix=".construct"),
    Option(("retrain", "MODEL", "{}", "-o", "OUT/m.construct"), folder=True),
    Option(("retrain", "MODEL", "{}", "-o", "OUT/m.construct"), suffix=".geojson"),
    Option((*RETRAIN, "-o", "OUT/m.construct", "--replay", "{}"), folder=True),
    Option((*RETRAIN, "-o", "OUT/m.construct", "--val", "{}"), folder=True),
    Option((*RETRAIN, "-o", "{}"), suffix=".construct", output=True),
    Option(("distill", "{}", "--no-kd", "-o", "OUT/m.construct"), folder=True),
    Option(("distill", "{}", "--no-kd", "-o", "OUT/m.construct"), suffix=".npz"),
    Option((*DISTILL, "--no-kd", "--val", "{}"), folder=True),
    Option((*DISTILL, "--teacher", "{}"), suffix=".construct"),
    Option((*DISTILL, "--teacher", "{}"), folder=True),
    Option((*DISTILL, "--no-kd", "--settings", "{}"), suffix=".json"),
    Option((*DISTILL, "--no-kd", "--patch", "32", "--json", "{}"), output=True),
    Option(("calibrate", "{}", "PATCHES", "-o", "OUT/m.construct"), suffix=".construct"),
    Option(("calibrate", "MODEL", "{}", "-o", "OUT/m.construct"), folder=True),
    Option(
        ("calibrate", "MODEL", "PATCHES", "-o", "OUT/m.construct", "--encoder-weights", "{}"), suffix=".pt"
    ),
    Option(("evaluate", "{}"), folder=True),
    Option(("evaluate", "VAL/img", "{}"), folder=True),
    Option(("evaluate", "VAL", "-m", "{}"), suffix=".construct"),
    Option(("evaluate", "VAL", "-m", "MODEL", "--settings", "{}"), suffix=".json"),
    Option(
        ("evaluate", "VAL", "--ablate", "views", "-o", "OUT", "--train", "PATCHES", "--config", "{}"),
        suffix=".yaml",
    ),
    Option(("evaluate", "VAL", "--ablate", "views", "-o", "OUT", "--train", "{}"), folder=True),
    Option(("next", "{}", "--queue", "OUT/a.queue"), suffix=".json"),
    Option(("next", "{}", "--queue", "OUT/a.queue"), folder=True),
    Option(("next", "MASK", "--queue", "{}"), suffix=".queue"),
    Option(("next", "MASK", "--image", "{}", "--queue", "OUT/a.queue"), suffix=".png"),
    Option(("polygons", "{}", "-o", "OUT/a.geojson"), suffix=".tif"),
    Option(("polygons", "{}", "-o", "OUT/a.geojson"), folder=True),
    Option(("polygons", "{}", "-o", "OUT/a.geojson"), suffix=".json"),
    Option(("polygons", "MASK", "-o", "{}"), suffix=".geojson", output=True),
    Option(("polygons", "MASK", "-o", "OUT/a.geojson", "--table", "{}"), suffix=".csv", output=True),
    Option(
        ("polygons", "MASK", "-o", "OUT/a.geojson", "--table", "OUT/a.csv", "--regions", "{}"),
        suffix=".geojson",
    ),
    Option(("label", "cut", "{}", "-o", "OUT", "--classes", "a,b"), suffix=".png"),
    Option(("label", "cut", "{}", "-o", "OUT", "--classes", "a,b"), folder=True),
    Option(("label", "cut", "{}", "-o", "OUT", "--classes", "a,b"), suffix=".svs"),
    Option((*CUT, "-o", "{}", "--classes", "a,b"), folder=True, output=True),
    Option((*CUT, "-o", "OUT", "--classes", "{}"), suffix=".csv"),
    Option((*CUT, "-o", "OUT", "--classes", "a,b", "-m", "{}"), suffix=".construct"),
    Option((*CUT, "-o", "OUT", "--classes", "a,b", "--settings", "{}"), suffix=".json"),
    Option((*CUT, "-o", "OUT", "--classes", "a,b", "--json", "{}"), output=True),
    Option(("label", "merge", "{}", "TABLE"), folder=True),
    Option(("label", "merge", "LABELLED", "{}"), suffix=".csv"),
    Option(("label", "status", "{}"), folder=True),
    Option(("teach", "{}", "-o", "OUT/m.construct"), folder=True),
    Option(("teach", "{}", "--images", "IMAGE", "-o", "OUT/m.construct"), suffix=".geojson"),
    Option(("teach", "{}", "--images", "IMAGE", "--classes", "a,b", "-o", "OUT/m.construct"), suffix=".png"),
    Option((*TEACH, "-o", "OUT/m.construct", "--images", "{}"), folder=True),
    Option(
        (*TEACH, "-o", "OUT/m.construct", "--images", "CORRECTIONS/img", "--start", "{}"), suffix=".construct"
    ),
    Option(
        (*TEACH, "--deep", "-o", "OUT/m.construct", "--images", "CORRECTIONS/img", "--unpainted", "{}"),
        folder=True,
    ),
    Option((*TEACH, "-o", "OUT/m.construct", "--images", "CORRECTIONS/img", "--json", "{}"), output=True),
    Option((*TEACH, "--images", "CORRECTIONS/img", "-o", "{}"), suffix=".construct", output=True),
    Option(("prototypes", "list", "{}"), suffix=".construct"),
    Option(("prototypes", "map", "{}", "-m", "MODEL", "-o", "OUT"), suffix=".png"),
    Option(("prototypes", "map", "IMAGE", "-m", "{}", "-o", "OUT"), suffix=".construct"),
    Option(("prototypes", "top", "{}", "-m", "MODEL", "-o", "OUT"), folder=True),
    Option(
        (*ADD, "--image", "{}", "--mask", "IMAGE"),
        suffix=".png",
    ),
    Option(
        (*ADD, "--image", "IMAGE", "--mask", "{}"),
        suffix=".png",
    ),
    Option(("models", "info", "{}"), suffix=".construct"),
    Option(("models", "import", "{}"), suffix=".construct"),
    Option(("models", "import", "{}"), suffix=".pth"),
    Option(("models", "import", "--encoder", "mit_b0", "{}"), suffix=".safetensors", read=False),
    Option(("models", "import", "--encoder-weights", "{}", "MODEL.pth"), suffix=".pt"),
    Option(("models", "export", "{}", "-o", "OUT"), suffix=".construct"),
    Option(("models", "export", "MODEL", "-o", "{}"), folder=True, output=True),
    Option(("models", "download", "mit_b0", "--mirror", "{}"), folder=True),
    Option(("models", "list", "--json", "{}"), output=True),
    Option(("models", "doctor", "--json", "{}"), output=True),
    Option(("models", "remove", "{}"), suffix=".construct"),
    Option(("demo", "--no-viewer", "-o", "{}"), folder=True, output=True),
)


def missing(path: Path, option: Option) -> str:
    return str(path)


def swapped(path: Path, option: Option) -> str:
    """A folder where a file should be, or a file where a folder should be."""
    if option.folder:
        path.write_text("x")
    else:
        path.mkdir()
    return str(path)


def below_a_file(path: Path, option: Option) -> str:
    path.write_text("x")
    return str(path / "within")


def dangling(path: Path, option: Option) -> str:
    path.symlink_to(path.with_name("nowhere") / "deeper")
    return str(path)


def circle(path: Path, option: Option) -> str:
    path.symlink_to(path)
    return str(path)


def pipe(path: Path, option: Option) -> str:
    os.mkfifo(path)
    return str(path)


def forbidden(path: Path, option: Option) -> str:
    if option.folder:
        path.mkdir()
    elif not option.output:
        path.write_bytes(b"x")
    LOCKED.add(str(path))
    return str(path)


def garbage(path: Path, option: Option) -> str:
    if option.folder:
        path.mkdir()
        path = path / "x.png"
    path.write_bytes(b'\x00\xff\xfe{["' * 100)
    return str(path.parent if option.folder else path)


def not_utf8(path: Path, option: Option) -> str:
    return str(path.with_name(os.fsdecode(b"caf\xe9" + os.fsencode(path.suffix))))


def with_escapes(path: Path, option: Option) -> str:
    return str(path.with_name(f"\x1b[31m\nred{path.suffix}"))


def too_long(path: Path, option: Option) -> str:
    return str(path.with_name("x" * 300 + path.suffix))


STATES = (
    missing, swapped, below_a_file, dangling, circle, pipe, forbidden, garbage, not_utf8, with_escapes,
    too_long,
)  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    from huggingface_hub import constants

    folder = tmp_path / "home"
    monkeypatch.setenv("NAPARI_CONSTRUCT_HOME", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(folder / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    stat, lstat = os.stat, os.lstat

    def below(path: Any) -> bool:
        return bool(LOCKED) and isinstance(path, str | os.PathLike) and _is_locked(Path(path).parent)

    def checked(real: Callable[..., Any]) -> Callable[..., Any]:
        def asked(path: Any, *rest: Any, **more: Any) -> Any:
            if below(path):
                raise PermissionError(13, "Permission denied", str(path))
            return real(path, *rest, **more)

        return asked

    monkeypatch.setattr(os, "stat", checked(stat))
    monkeypatch.setattr(os, "lstat", checked(lstat))
    yield folder
    LOCKED.clear()


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and names of any bytes")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("option", "state"),
    [
        # a third is enough for every change: each option in three or four states, each state for 16 options
        pytest.param(
            option,
            state,
            id=f"{option.name}-{state.__name__}",
            marks=() if (i + j) % 3 == 0 else pytest.mark.faults,
        )
        for i, option in enumerate(PATHS)
        for j, state in enumerate(STATES)
    ],
)
def test_one_sentence_and_no_traceback(
    call: Call,
    model: Path,
    image: Path,
    camelyon: Path,
    tmp_path: Path,
    option: Option,
    state: Callable[..., str],
) -> None:
    hostile = state(tmp_path / f"hostile{option.suffix}", option)
    places = {"IMAGE": image, "MODEL": model, "PATCHES": camelyon / "train", "VAL": camelyon / "val"}
    if "CELLS" in option.command:
        places["CELLS"] = _cells(tmp_path / "cells")
    if "LABELLED" in option.command:
        places["LABELLED"] = cut_patches(
            image, tmp_path / "cut", ("a", "b"), count=2, side=64, choice="random"
        )
    if any(part.partition("/")[0] == "CORRECTIONS" for part in option.command):
        places["CORRECTIONS"] = _corrections(tmp_path / "corrections")
    if "MASK" in option.command:
        places["MASK"] = tmp_path / "a_mask.tif"
        write_mask(places["MASK"], np.ones((8, 8), np.uint8), ClassTable.from_names(("tumour",)))
    done = call(*(_filled(part, places, tmp_path / "out", hostile) for part in option.command))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    may_work = option.output or (state is garbage and not option.read)
    assert done.exit_code in ((0, 1, 2) if may_work else (1, 2)), done.output
    said = [line for line in done.stderr.splitlines() if not line.startswith(("note:", "Usage:"))]
    if done.exit_code == 2:
        assert any(line.startswith(("error: ", "Error: ", "failed: ", "│")) for line in said), done.stderr
    assert "Traceback" not in done.stderr
    assert "--debug" not in done.stderr, done.stderr  # not one of our own errors
    assert len(done.stderr) < 3000
    assert "\x1b" not in done.output


def _cells(folder: Path) -> Path:
    """An image of two channels, and its cells."""
    made = phantom(0, (64, 64))
    for part, pixels in (("images", made.channels), ("labels", made.instances.astype(np.uint16))):
        (folder / part).mkdir(parents=True)
        tifffile.imwrite(folder / part / "a.tif", pixels)
    return folder


def _corrections(folder: Path) -> Path:
    """An image with a painted stroke of each class."""
    for inside, pixels in (
        ("img", np.full((64, 64, 3), 180, np.uint8)),
        ("mask", np.zeros((64, 64), np.uint8)),
    ):
        (folder / inside).mkdir(parents=True)
        if inside == "mask":
            pixels[5, 5:40], pixels[50, 5:40] = 1, 2
        Image.fromarray(pixels).save(folder / inside / "a.png")
    return folder


def _filled(part: str, places: dict[str, Path], out: Path, hostile: str) -> str:
    if part == "{}":
        return hostile
    word, slash, rest = part.partition("/")
    if word == "OUT":
        return str(out / rest) if slash else str(out)
    return f"{places[word]}{slash}{rest}" if word in places else part


def test_the_table_names_every_command() -> None:
    def leaves(group: Any, name: str = "") -> Iterator[str]:
        commands = getattr(group, "commands", None)
        if commands is None:
            yield name
            return
        for word, command in commands.items():
            yield from leaves(command, f"{name} {word}".strip())

    known = set(leaves(typer.main.get_command(app))) - {"app"}  # which opens napari
    named = {name for name in known for option in PATHS if option.name.startswith(name)}
    assert named == known
