"""The Models widget in a real viewer, against a local server that answers as the hub does."""

from __future__ import annotations

import errno
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QApplication, QPushButton
from tests.encoders.hub.hub_server import CONTENT, REFUSED, TOKEN, Hub, running_hub
from typer.testing import CliRunner

from napari_construct.cli import app
from napari_construct.encoders.catalogue.download import DownloadSettings
from napari_construct.encoders.catalogue.lookup import find_entry
from napari_construct.encoders.hub import transfer
from napari_construct.encoders.hub.store import located, own_folder
from napari_construct.widgets.models import job as jobs
from napari_construct.widgets.models.models import Models
from napari_construct.widgets.segment.segment_tissue import SegmentTissue

pytestmark = pytest.mark.gui

CATALOGUE = """
[[encoder]]
id = "{id}"
loader = "timm"
model = "vit_tiny_patch16_224"
repository = "owner/name"
files = [{{ name = "weights.bin" }}]
source = "https://hub.example/owner/name"
note = "X."
licence = "X-1.0"
licence_terms = "Only <for> tests & nothing else."
citation = "X (2026)."
gated = {gated}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own folder: two encoders of theirs, one of them gated."""
    from huggingface_hub import constants

    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("NAPARI_CONSTRUCT_HOME", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
    entries = [
        CATALOGUE.format(id=f"x-{kind}", gated=str(kind == "gated").lower()) for kind in ("open", "gated")
    ]
    (folder / "encoders.toml").write_text("\n".join(entries))
    return folder


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[Hub]:
    with running_hub(monkeypatch, home) as running:
        yield running


@pytest.fixture
def widget(qtbot, viewer, server: Hub) -> Models:
    widget = Models(viewer, confirm=lambda _: True)
    viewer.window.add_dock_widget(widget, name="Models")
    qtbot.waitUntil(lambda: not widget.isListing(), timeout=60_000)
    return widget


def wait(qtbot: Any, widget: Models) -> None:
    qtbot.waitUntil(lambda: not widget.isRunning() and not widget.isListing(), timeout=30_000)


def press(widget: Models, text: str) -> None:
    (found,) = [b for b in widget.findChildren(QPushButton) if b.text() == text and b.isVisibleTo(widget)]
    assert found.isEnabled(), text
    found.click()


def row(widget: Models, name: str, kind: str = "encoder") -> jobs.Row:
    return next(r for r in widget.rows() if (r.kind, r.name) == (kind, name))


@hypothesis_settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    value=st.builds(
        DownloadSettings,
        name=st.sampled_from(["", "mini", "conch", "x-gated", "no-such", "timm:hf-hub:owner/name"]),
        mirror=st.none() | st.sampled_from(["/media/usb", "https://mirror.example"]),
        again=st.booleans(),
        accepted=st.booleans(),
    )
)
def test_value_is_what_was_set(widget: Models, value: DownloadSettings) -> None:
    widget.setValue(value)
    assert widget.value() == value


def test_a_change_is_told_once(qtbot, widget: Models) -> None:
    value = DownloadSettings(name="x-gated", accepted=True)
    with qtbot.waitSignal(widget.valueChanged) as told:
        widget.setValue(value)
    assert told.args == [value]
    with qtbot.assertNotEmitted(widget.valueChanged):
        widget.setValue(value)


def test_shows_what_the_command_lists(widget: Models) -> None:
    listed = json.loads(CliRunner().invoke(app, ["models", "list", "--json", "-"]).stdout)
    found = {(r.kind, r.name): r for r in widget.rows()}
    assert {(r["id"], r["state"], r["size"]) for r in listed["encoders"]} == {
        (r.name, r.state, r.size) for r in found.values() if r.kind == "encoder"
    }
    assert set(listed["models"]) == {r.name for r in found.values() if r.kind == "model"}
    assert found["encoder", "conch"].state == "gated"
    assert found["model", "lymph-node"].mpp is not None


def test_describes_the_chosen_one_and_says_what_can_be_downloaded(widget: Models) -> None:
    assert "Choose an encoder" in widget.message()
    for name, says in {
        "mini": "comes with napari-construct",
        "conch": "Read the licence",
        "x-open": "",
        "timm:": "timm:hf-hub:OWNER/NAME",
    }.items():
        widget.choose("encoder", name)
        assert says in widget.message()
        assert bool(widget.message()) == bool(says)
        assert widget.value().name == name
    widget.choose("encoder", "conch")
    said = widget._catalogue._details.text()
    for words in (
        "Non-commercial academic research only",
        "CC-BY-NC-ND-4.0",
        "802 MB",
        "µm per pixel:</b> unknown",
    ):
        assert words in said
    widget.choose("encoder", "x-open")
    assert "Only &lt;for&gt; tests &amp; nothing" in widget._catalogue._details.text()  # text, not markup
    widget.choose("model", "lymph-node")
    assert "tumour, lymphoid" in widget._catalogue._details.text()
    widget.setValue(DownloadSettings(name="no-such"))
    assert "no encoder no-such in the catalogue" in widget.message()


def test_downloads_with_progress_and_finds_it(qtbot, widget: Models) -> None:
    events: list[Any] = []
    widget.control.progressed.connect(events.append)
    widget.choose("encoder", "x-open")
    press(widget, "Download")
    wait(qtbot, widget)
    assert "x-open is ready, 2 MB in " in widget.message()
    assert located(find_entry("x-open")).weights.read_bytes() == CONTENT
    assert {e.stage for e in events if e.total > 1} == {"download of weights.bin in MB"}
    assert row(widget, "x-open").state == "installed"
    assert str(own_folder(find_entry("x-open"))) in str(row(widget, "x-open").location)
    assert not widget.findChildren(QPushButton, "Download")
    press(widget, "Remove...")
    wait(qtbot, widget)
    assert "2 MB freed" in widget.message()
    assert row(widget, "x-open").state == "available"


def test_a_cancelled_download_goes_on_where_it_stopped(qtbot, widget: Models, server: Hub) -> None:
    server.slowly = 0.05
    widget.choose("encoder", "x-open")
    part = own_folder(find_entry("x-open")) / "weights.bin.part"
    press(widget, "Download")
    qtbot.waitUntil(lambda: part.is_file() and part.stat().st_size > 300_000, timeout=20_000)
    press(widget, "Cancel")
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=2_000)
    assert "the next download continues" in widget.message()
    kept = part.stat().st_size
    assert 300_000 < kept < len(CONTENT)
    server.slowly = 0.0
    wait(qtbot, widget)
    press(widget, "Download")
    wait(qtbot, widget)
    assert server.seen[-1][2] == f"bytes={kept}-"
    assert located(find_entry("x-open")).weights.read_bytes() == CONTENT


def test_through_the_gate(qtbot, widget: Models, server: Hub, home: Path) -> None:
    widget.choose("encoder", "x-gated")
    gate = widget._gate
    assert gate.isVisibleTo(widget)
    assert "X-1.0: Only <for> tests" in gate._licence.text().replace("\u200b", "")
    assert "none on this computer" in gate._token.text()
    assert not widget.control._button.isEnabled()
    server.status, server.headers = {"HEAD": 401}, {"X-Error-Code": "GatedRepo"}
    press(widget, "Check access")
    wait(qtbot, widget)
    assert "expected a hub token, got none; ask for access at" in gate._access.text()
    (home / "token").write_text(TOKEN)
    press(widget, "Look again")
    wait(qtbot, widget)
    assert "there is one on this computer" in gate._token.text()
    server.status, server.headers = {"HEAD": 403}, {"X-Error-Message": REFUSED["awaiting"]}
    press(widget, "Check access")
    wait(qtbot, widget)
    assert "have not answered yet; wait for their e-mail" in gate._access.text()
    gate._accept.click()
    assert widget.value().accepted
    press(widget, "Download")
    wait(qtbot, widget)
    assert "have not answered yet" in widget.message()
    assert {request[0] for request in server.seen} == {"HEAD"}  # nothing was fetched
    server.status = {}
    press(widget, "Check access")
    wait(qtbot, widget)
    assert "access is granted" in gate._access.text()
    press(widget, "Download")
    wait(qtbot, widget)
    assert row(widget, "x-gated").state == "installed"
    assert not gate.isVisibleTo(widget)
    shown = [widget.message(), gate._token.text(), gate._access.text(), widget._catalogue._details.text()]
    assert not any(TOKEN in text for text in shown)


def test_agreement_counts_for_one_licence(widget: Models) -> None:
    widget.choose("encoder", "x-gated")
    widget._gate._accept.click()
    widget.choose("encoder", "conch")
    assert not widget.value().accepted
    assert "Read the licence" in widget.message()


@pytest.mark.parametrize(
    ("status", "headers", "says"),
    [
        (401, {"X-Error-Code": "RepoNotFound"}, "'hf auth login', then press Download again"),
        (403, {"X-Error-Message": REFUSED["rejected"]}, "choose another encoder"),
        (404, {"X-Error-Code": "EntryNotFound"}, "look at https://hub.example"),
        (429, {"Retry-After": "17"}, "wait 17 s"),
        (503, {"X": "y"}, "wait a few minutes"),
    ],
)
def test_a_refusal_is_one_sentence_with_the_next_step(
    qtbot, widget: Models, server: Hub, home: Path, status: int, headers: dict[str, str], says: str
) -> None:
    (home / "token").write_text(TOKEN)
    server.status, server.headers = {"HEAD": status}, headers
    widget.choose("encoder", "x-open")
    press(widget, "Download")
    wait(qtbot, widget)
    said = widget.message()
    assert said.startswith("x-open: expected ")
    assert says in said.replace("\u200b", "")
    assert "\n" not in said
    assert widget.control._button.isEnabled()  # it can be tried again


def test_broken_connections_full_disk_and_no_network(
    qtbot, widget: Models, server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends_with(says: str) -> None:
        widget.choose("encoder", "x-open")
        press(widget, "Download")
        wait(qtbot, widget)
        assert says in widget.message()

    server.break_after = [600_000, 0, 0, 0, 0]
    ends_with("goes on where it stopped")

    def full(*_: Any) -> Iterator[int]:
        raise OSError(errno.ENOSPC, "No space left on device")
        yield 0

    with monkeypatch.context() as patched:
        patched.setattr(transfer, "_stream", full)
        ends_with("full disk; free some space")
    widget.setValue(DownloadSettings(name="x-open", mirror="http://127.0.0.1:9"))
    ends_with("no connection or a broken one")
    widget.setValue(DownloadSettings(name="x-open", mirror=str(own_folder(find_entry("conch")))))
    ends_with("copy it there from a computer with internet")


def test_from_a_folder(qtbot, widget: Models, tmp_path: Path) -> None:
    (tmp_path / "usb" / "owner" / "name").mkdir(parents=True)
    (tmp_path / "usb" / "owner" / "name" / "weights.bin").write_bytes(CONTENT)
    widget.setValue(DownloadSettings(name="x-gated", mirror=str(tmp_path / "usb"), accepted=True))
    press(widget, "Download")
    wait(qtbot, widget)
    assert row(widget, "x-gated").state == "installed"


def test_a_model_comes_goes_and_is_offered_to_segment(
    qtbot, viewer, widget: Models, checkpoint: Path, tmp_path: Path
) -> None:
    widget._share.importRequested.emit(str(checkpoint))
    wait(qtbot, widget)
    assert row(widget, "tiny", "model").state == "imported"
    segment = SegmentTissue(viewer)
    viewer.window.add_dock_widget(segment, name="Segment")
    offered = segment._model.chooser._combo
    qtbot.waitUntil(lambda: offered.findData("tiny") >= 0, timeout=10_000)
    segment.setModel("tiny")
    qtbot.waitUntil(lambda: "being loaded" not in segment.message(), timeout=20_000)
    widget.choose("model", "tiny")
    widget._share.exportRequested.emit(str(tmp_path / "out"), "CC-BY-4.0")
    wait(qtbot, widget)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["tiny.construct", "tiny.md"]
    assert "CC-BY-4.0" in (tmp_path / "out" / "tiny.md").read_text(encoding="utf-8")
    press(widget, "Remove...")
    wait(qtbot, widget)
    assert ("model", "tiny") not in [(r.kind, r.name) for r in widget.rows()]
    segment.setModel("lymph-node")
    segment._model.chooser.refresh()  # as when its list is opened
    qtbot.waitUntil(lambda: offered.findData("tiny") < 0, timeout=10_000)
    broken = tmp_path / "broken.construct"
    broken.write_bytes(b"PK")
    widget._share.importRequested.emit(str(broken))
    wait(qtbot, widget)
    assert "broken.construct: expected a complete" in widget.message()


def test_weights_from_a_file_belong_to_the_chosen_encoder(qtbot, widget: Models, tmp_path: Path) -> None:
    file = tmp_path / "mine.bin"
    torch.save({"weight": torch.ones(2)}, file)
    widget.choose("encoder", "x-gated")
    widget._share.importRequested.emit(str(file))
    wait(qtbot, widget)
    assert row(widget, "x-gated").state == "installed"
    assert jobs.holds_weights("best_cam.pth", find_entry("conch")) is False


def test_nothing_is_removed_without_a_yes(qtbot, viewer, server: Hub, checkpoint: Path) -> None:
    asked: list[str] = []
    widget = Models(viewer, confirm=lambda question: bool(asked.append(question)))
    viewer.window.add_dock_widget(widget, name="Models")
    wait(qtbot, widget)
    widget._share.importRequested.emit(str(checkpoint))
    wait(qtbot, widget)
    widget.choose("model", "tiny")
    press(widget, "Remove...")
    assert "Delete tiny" in asked[0]
    assert not widget.isRunning()
    assert row(widget, "tiny", "model").location.is_file()
    widget.choose("model", "lymph-node")
    assert not widget._catalogue._remove.isEnabled()  # it comes with the package


def test_a_wrong_catalogue_is_named_and_the_rest_still_shown(qtbot, widget: Models, home: Path) -> None:
    (home / "encoders.toml").write_text("[[encoder]]\nid = 'x'\n")
    widget.refresh()
    wait(qtbot, widget)
    assert "encoders.toml: encoder x: loader" in widget.message()
    assert row(widget, "conch").state == "gated"


def test_diagnostics_are_copied_and_name_no_token(qtbot, widget: Models, home: Path) -> None:
    (home / "token").write_text(TOKEN)
    box = widget.diagnostics
    box.diagnose()
    qtbot.waitUntil(lambda: not box.isRunning(), timeout=30_000)
    box.copy()
    text = QApplication.clipboard().text()
    assert text == box.text()
    for words in ("SOFTWARE", "accelerator", "free space", "lymph-node", "there is one"):
        assert words in text
    assert TOKEN not in text


@pytest.mark.parametrize("how", ["python", "command"])
def test_copied_text_brings_the_same_files(qtbot, widget: Models, how: str, tmp_path: Path) -> None:
    folder = tmp_path / "usb stick"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(CONTENT)
    widget.setValue(DownloadSettings(name="x-gated", mirror=str(folder), accepted=True))
    press(widget, "Python" if how == "python" else "Command line")
    text = QApplication.clipboard().text()
    if how == "python":
        exec(text, {})
    else:
        done = CliRunner().invoke(app, shlex.split(text)[1:])
        assert done.exit_code == 0, done.output
    assert located(find_entry("x-gated")).weights.read_bytes() == CONTENT


def test_more_columns_where_there_is_room(widget: Models) -> None:
    table = widget._catalogue.table
    for width, shown in ((280, 3), (500, 5), (800, 6)):
        before = table.size()
        table.resize(width, 200)
        table.resizeEvent(QResizeEvent(table.size(), before))  # hidden widgets get theirs when shown
        assert sum(not table.isColumnHidden(i) for i in range(table.columnCount())) == shown
