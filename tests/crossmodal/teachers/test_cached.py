"""Outputs of teachers on disk: computed once, exact, and proof against kills, rivals and damage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_construct.crossmodal.protocol import TeacherOutput, TeacherSpec, TeacherView
from napari_construct.crossmodal.teachers.cached import TeacherCache, open_cache, output_key, teach_steps
from napari_construct.crossmodal.teachers.catalogue import load_teacher
from napari_construct.events import Event
from napari_construct.exceptions import ConfigurationError, InputError


class Counting:
    """Says the nuclear channel, and counts how often it is asked."""

    def __init__(self, identity: str = "0" * 64, *, cells: bool = True) -> None:
        self.spec = TeacherSpec("counting", "Counting", "MIT")
        self.identity, self.cells, self.asked = identity, cells, []

    def predict(self, view: TeacherView) -> TeacherOutput:
        self.asked.append(view.name)
        if not view.channels.any():
            raise InputError(f"{view.name}: expected cells, got none")
        foreground = view.channels[0]
        if not self.cells:
            return TeacherOutput(foreground)
        return TeacherOutput(foreground, 1 - foreground, (100_000 * foreground).astype(np.int32))


def images(count: int, side: int = 16) -> list[TeacherView]:
    numbers = np.random.default_rng(0)
    return [
        TeacherView(numbers.random((2, side, side)).astype(np.float32), ("nuclear", "membrane"), 0.5, f"i{i}")
        for i in range(count)
    ]


def run(steps):
    events = []
    while True:
        try:
            events.append(next(steps))
        except StopIteration as stop:
            return events, stop.value


def test_every_image_is_computed_once_and_its_events_count(tmp_path: Path) -> None:
    views, teacher = images(4), Counting()
    events, taught = run(teach_steps(views, teacher, TeacherCache(tmp_path, 10**6)))
    assert events == [Event("teacher", done, 4) for done in range(5)]
    assert len(taught) == 4
    again = Counting()
    _, second = run(teach_steps(views, again, TeacherCache(tmp_path, 10**6)))
    assert teacher.asked == ["i0", "i1", "i2", "i3"]
    assert again.asked == []
    for index, view in enumerate(views):
        found, direct = second[index], Counting().predict(view)
        np.testing.assert_array_equal(
            found.foreground, direct.foreground.astype(np.float16).astype(np.float32)
        )
        np.testing.assert_array_equal(found.instances, direct.instances)
        assert found.instances.dtype == np.int32
        assert found.foreground.dtype == found.boundary.dtype == np.float32


def test_an_output_is_the_same_whether_it_was_found_or_not(tmp_path: Path) -> None:
    views = images(1)
    _, fresh = run(teach_steps(views, Counting(), TeacherCache(tmp_path / "a", 10**6)))
    first = fresh[0].foreground
    _, other = run(teach_steps(views, Counting(), TeacherCache(tmp_path / "b", 10**6)))
    np.testing.assert_array_equal(first, other[0].foreground)
    for path in (tmp_path / "a").rglob("*.safetensors"):
        path.unlink()
    np.testing.assert_array_equal(fresh[0].foreground, first)
    assert fresh.teacher.asked == ["i0", "i0"], "what is lost is computed again"


def test_what_a_teacher_does_not_know_stays_unknown(tmp_path: Path) -> None:
    cache = TeacherCache(tmp_path, 10**6)
    run(teach_steps(images(1), Counting(cells=False), cache))
    _, taught = run(teach_steps(images(1), Counting(cells=False), cache))
    assert taught[0].boundary is None
    assert taught[0].instances is None


def test_the_key_follows_pixels_roles_resolution_and_teacher() -> None:
    view, teacher = images(1)[0], Counting()
    changed = view.channels.copy()
    changed[0, 0, 0] += 1e-6
    others = [
        output_key(replace(view, channels=changed), teacher),
        output_key(replace(view, channels=view.channels.reshape(2, 8, 32)), teacher),
        output_key(replace(view, roles=("membrane", "nuclear")), teacher),
        output_key(replace(view, mpp=1.0), teacher),
        output_key(view, Counting("1" * 64)),
    ]
    assert len({output_key(view, teacher), *others}) == 6
    assert output_key(replace(view, name="other"), teacher) == output_key(view, teacher)


@pytest.mark.parametrize("damage", ["truncated", "bit", "empty", "other output", "other shape"])
def test_a_damaged_file_counts_as_absent(tmp_path: Path, damage: str) -> None:
    views, cache = images(1), TeacherCache(tmp_path, 10**6)
    _, taught = run(teach_steps(views, Counting(), cache))
    wanted = taught[0].foreground
    (path,) = tmp_path.rglob("*.safetensors")
    data = bytearray(path.read_bytes())
    data[-10] ^= 4
    key = output_key(views[0], Counting())
    if damage == "other shape":
        cache.keep(key, TeacherOutput(np.zeros((4, 4), np.float32)))
    elif damage == "other output":
        import torch

        cache.put(key, {"features": torch.zeros(3)})
    else:
        path.write_bytes({"truncated": path.read_bytes()[:-50], "bit": data, "empty": b""}[damage])
    np.testing.assert_array_equal(taught[0].foreground, wanted)
    assert taught.teacher.asked == ["i0", "i0"]
    np.testing.assert_array_equal(cache.output(key, (16, 16)).foreground, wanted)


def test_a_cache_that_is_too_small_says_how_much_is_needed(tmp_path: Path) -> None:
    steps = teach_steps(images(40), Counting(), TeacherCache(tmp_path, 20_000))
    with pytest.raises(ConfigurationError, match="expected room for the outputs of Counting for 40 images"):
        run(steps)


def test_closing_the_job_keeps_what_was_computed(tmp_path: Path) -> None:
    first, cache = Counting(), TeacherCache(tmp_path, 10**6)
    steps = teach_steps(images(5), first, cache)
    for _ in range(3):
        next(steps)
    steps.close()
    assert first.asked == ["i0", "i1"]
    second = Counting()
    run(teach_steps(images(5), second, cache))
    assert second.asked == ["i2", "i3", "i4"]


def test_an_image_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    views = images(2)
    views[1] = replace(views[1], channels=np.zeros_like(views[1].channels))
    with pytest.raises(InputError, match="i1: expected cells"):
        run(teach_steps(views, Counting(), TeacherCache(tmp_path, 10**6)))


def test_stored_outputs_are_not_stored_again(tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    views = images(2)
    for number, view in enumerate(views):
        np.save(tmp_path / "maps" / f"{view.name}.npy", np.full((16, 16), number / 4, np.float32))
    views[1] = replace(views[1], channels=views[0].channels)  # the same pixels under another name
    cache = open_cache(tmp_path / "cache")
    _, taught = run(teach_steps(views, load_teacher(tmp_path / "maps"), cache))
    assert [float(taught[i].foreground[0, 0]) for i in range(2)] == [0, 0.25]
    assert cache.size() == 0


def test_the_cache_lies_in_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert open_cache().folder == tmp_path / "napari-construct" / "teachers"


WRITER = textwrap.dedent("""
    import os, signal, sys, time
    from pathlib import Path
    import numpy as np
    from napari_construct.crossmodal.protocol import TeacherOutput, TeacherSpec, TeacherView
    from napari_construct.crossmodal.teachers.cached import TeacherCache, teach_steps

    folder, shift, kill_at, together = sys.argv[1], *map(int, sys.argv[2:])

    class Slow:
        spec, identity, asked = TeacherSpec("t", "T", "MIT"), "0" * 64, 0

        def predict(self, view):
            self.asked += 1
            return TeacherOutput(view.channels[0], instances=(1000 * view.channels[0]).astype(np.int32))

    def view(number):
        return TeacherView(np.full((1, 64, 64), number / 64, np.float32), ("nuclear",), None, str(number))

    def die(path, data):  # the temporary file is there, the rename is not
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f".{path.name}.dead.part").write_bytes(data[:50])
        os.kill(os.getpid(), signal.SIGKILL)

    cache, teacher = TeacherCache(folder, 10_000_000), Slow()
    Path(f"{folder}.{shift}").touch()
    while len(list(Path(folder).parent.glob("*.[0-9]*"))) < together:
        time.sleep(0.001)
    for event in teach_steps([view((shift + number) % 48) for number in range(48)], teacher, cache):
        if event.done == kill_at:
            cache._write = die
            cache.keep("f" * 64, TeacherOutput(np.zeros((64, 64), np.float32)))
    print(teacher.asked)
""")


def start(folder: Path, *arguments: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
def test_two_processes_share_a_folder_and_one_is_killed_while_it_writes(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    runs = [start(folder, 0, -1, 2), start(folder, 24, 7, 2)]
    asked = [run.communicate(timeout=200)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, -signal.SIGKILL]
    assert 48 - 7 <= int(asked[0]) <= 48
    (left,) = folder.rglob("*.part")
    assert len(list(folder.rglob("*.safetensors"))) == 48, "the one that lived wrote them all"
    assert start(folder, 10, -1, 0).communicate(timeout=200)[0].strip() == "0", "and the next finds them"
    cache = TeacherCache(folder, 10_000_000)
    for path in folder.rglob("*.safetensors"):
        found = cache.output(path.parent.name + path.stem, (64, 64))
        assert found is not None
        value = float(found.foreground[0, 0])
        assert (found.foreground == value).all()
        assert (found.instances == int(1000 * np.float32(value))).all()
    assert left.exists()
