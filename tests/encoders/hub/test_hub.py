"""Downloads, against a local server that answers as the hub does."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from napari_construct.encoders.entries import EncoderEntry, WeightFile
from napari_construct.encoders.hub import client as hub
from napari_construct.encoders.hub import transfer
from napari_construct.encoders.hub.store import located, own_folder
from napari_construct.encoders.hub.token import has_token
from napari_construct.events import Event, Notice, run
from napari_construct.exceptions import EncoderError

from .hub_server import CONTENT, REFUSED, SHA256, TOKEN, Hub, running_hub, use_hub


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[Hub]:
    with running_hub(monkeypatch, home) as running:
        yield running


def entry(**changes: Any) -> EncoderEntry:
    fields: dict[str, Any] = {
        "id": "x-encoder",
        "loader": "timm",
        "note": "X.",
        "source": "https://hub.example/owner/name",
        "repository": "owner/name",
        "files": (WeightFile(name="weights.bin"),),
        "licence": "MIT",
        "licence_terms": "Free.",
        "citation": "X.",
    }
    return EncoderEntry.model_validate(fields | changes)


def fetch(server: Hub, wanted: EncoderEntry | None = None, **options: Any) -> list[Event]:
    events: list[Event] = []
    run(hub.download_steps(wanted or entry(), mirror=server.url, **options), events.append)
    return events


def test_comes_with_progress_and_is_found(server: Hub) -> None:
    events = fetch(server)
    assert (events[0].done, events[-1].done, events[-1].total) == (0, len(CONTENT), len(CONTENT))
    assert {event.message for event in events} == {"weights.bin"}
    found = located(entry())
    assert found is not None
    assert found.weights.read_bytes() == CONTENT
    assert [path.name for path in own_folder(entry()).iterdir()] == ["weights.bin"]
    asked = len(server.seen)
    fetch(server)
    assert len(server.seen) == asked  # what is here is not fetched again
    fetch(server, again=True)
    assert len(server.seen) == asked + 2


def test_other_names_are_tried_in_order(server: Hub) -> None:
    server.files = {"old.bin": CONTENT}
    wanted = entry(files=(WeightFile(name="new.safetensors", alternative_names=("old.bin",)),))
    fetch(server, wanted)
    found = located(wanted)
    assert found is not None
    assert found.weights.name == "old.bin"


def test_a_broken_connection_goes_on_where_it_stopped(server: Hub) -> None:
    server.break_after = [700_000, 500_000]
    fetch(server)
    gets = [request for request in server.seen if request[0] == "GET"]
    assert len(gets) == 3
    assert all(request[2] for request in gets[1:])
    assert located(entry()).weights.read_bytes() == CONTENT  # type: ignore[union-attr]


def test_half_a_file_is_completed_by_the_next_run(server: Hub) -> None:
    server.break_after = [600_000, 0, 0, 0, 0]
    with pytest.raises(EncoderError, match=r"broken one; check the network .* goes on where it stopped"):
        fetch(server)
    assert located(entry()) is None  # half a file is no file
    part = own_folder(entry()) / "weights.bin.part"
    kept = part.stat().st_size
    assert 0 < kept < len(CONTENT)
    server.break_after, server.seen = [], []
    events = fetch(server)
    assert server.seen[-1][2] == f"bytes={kept}-"
    assert events[1].done > kept
    assert located(entry()).weights.read_bytes() == CONTENT  # type: ignore[union-attr]


def test_half_a_file_of_other_content_is_dropped(server: Hub) -> None:
    server.break_after = [600_000, 0, 0, 0, 0]
    with pytest.raises(EncoderError):
        fetch(server)
    server.files = {"weights.bin": CONTENT[::-1]}
    fetch(server)
    assert located(entry()).weights.read_bytes() == CONTENT[::-1]  # type: ignore[union-attr]


def test_a_server_without_ranges_starts_again(server: Hub) -> None:
    server.ranges, server.break_after = False, [600_000]
    fetch(server)
    assert located(entry()).weights.read_bytes() == CONTENT  # type: ignore[union-attr]


def test_a_cancelled_download_keeps_what_came(server: Hub) -> None:
    steps = hub.download_steps(entry(), mirror=server.url)
    next(steps)
    assert next(steps).done > 0
    steps.close()
    assert (own_folder(entry()) / "weights.bin.part").stat().st_size > 0


@pytest.mark.parametrize("where", ["entry", "hub"])
def test_other_content_than_published_is_deleted(server: Hub, where: str) -> None:
    wanted = entry(files=(WeightFile(name="weights.bin", sha256="0" * 64),)) if where == "entry" else entry()
    server.sha256 = "0" * 64 if where == "hub" else None
    with pytest.raises(EncoderError, match=r"expected the published weights\.bin .* got other content"):
        fetch(server, wanted)
    assert list(own_folder(wanted).iterdir()) == []


@pytest.mark.parametrize(
    ("status", "headers", "token", "gated", "said"),
    [
        (
            401,
            {"X-Error-Code": "GatedRepo"},
            False,
            True,
            r"expected a hub token, got none; ask for access at",
        ),
        (
            401,
            {"X-Error-Code": "RepoNotFound"},
            False,
            False,
            r"needs a login; log in with 'hf auth login'",
        ),
        (401, {"X-Error-Message": REFUSED["invalid"]}, True, True, r"one that is expired or revoked; log in"),
        (403, {"X-Error-Message": REFUSED["GatedRepo"]}, True, True, r"none for this account; ask for it at"),
        (403, {"X-Error-Message": REFUSED["awaiting"]}, True, True, r"have not answered yet; wait for their"),
        (403, {"X-Error-Message": REFUSED["rejected"]}, True, True, r"rejected or withdrew; write to them"),
        (
            403,
            {"X-Error-Message": REFUSED["scope"]},
            True,
            True,
            r"may read gated repositories, got one that",
        ),
        (
            404,
            {"X-Error-Code": "EntryNotFound"},
            False,
            False,
            r"got none there \(404\); look at https://hub",
        ),
        (404, {"X-Error-Code": "RepoNotFound"}, False, False, r"got none there \(404\); look at https://hub"),
        (404, {"X-Error-Code": "RevisionNotFound"}, False, False, r"got none there \(404\)"),
        (
            429,
            {"Retry-After": "17"},
            False,
            False,
            r"'too many requests' \(429\); wait 17 s and run .* log in",
        ),
        (500, {"X": "y"}, False, False, r"a server error \(500\); wait a few minutes and run"),
        (503, {"X": "y"}, True, True, r"a server error \(503\)"),
        (418, {"X": "y"}, True, True, r"a refusal \(418\)"),
    ],
)
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_refusals_are_one_sentence_with_the_next_step(
    server: Hub,
    home: Path,
    method: str,
    status: int,
    headers: dict[str, str],
    token: bool,
    gated: bool,
    said: str,
) -> None:
    if token:
        (home / "token").write_text(TOKEN)
    server.status, server.headers = {method: status}, headers
    if headers.get("X-Error-Message") and method == "GET":
        headers["X-Error-Code"] = "GatedRepo"
    with pytest.raises(EncoderError, match=said) as caught:
        fetch(server, entry(gated=gated))
    text = str(caught.value)
    assert text.startswith("x-encoder: expected ")
    assert "\n" not in text
    assert TOKEN not in text
    assert server.seen[-1][3] == (f"Bearer {TOKEN}" if token else None)
    assert len(server.seen) <= 2  # no refusal is asked for again


def test_offline_no_connection_and_full_disk(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(remote: Any, part: Path, have: int) -> Iterator[int]:
        part.write_bytes(b"half")
        yield 4
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(transfer, "_stream", full)
        with pytest.raises(EncoderError, match="full disk; free some space and run the command again"):
            fetch(server)
    assert (own_folder(entry()) / "weights.bin.part").read_bytes() == b"half"
    with pytest.raises(EncoderError, match="no connection or a broken one"):
        run(hub.download_steps(entry(), mirror="http://127.0.0.1:9"))
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(EncoderError, match=r"offline mode \(HF_HUB_OFFLINE is set\); unset it, or use"):
        fetch(server)


def test_access_is_asked_for_without_a_download(server: Hub, home: Path) -> None:
    assert hub.check_access(entry(), server.url) is None
    assert not has_token()
    (home / "token").write_text(TOKEN)
    assert has_token()
    server.status, server.headers = {"HEAD": 403}, {"X-Error-Message": REFUSED["awaiting"]}
    said = hub.check_access(entry(gated=True), server.url)
    assert said is not None
    assert "have not answered yet" in said
    assert {request[0] for request in server.seen} == {"HEAD"}


def test_a_token_goes_to_the_users_own_hub_alone(
    server: Hub, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "token").write_text(TOKEN)
    use_hub(monkeypatch, "https://huggingface.co")
    fetch(server)
    assert {request[3] for request in server.seen} == {None}


@pytest.mark.parametrize("place", ["owner/name", "owner--name", "x-encoder", ""])
def test_a_folder_serves_machines_without_internet(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "usb" / place
    folder.mkdir(parents=True)
    (folder / "weights.bin").write_bytes(CONTENT)
    page = WeightFile(name="words.json", page="https://hub.example/words", required=False)
    wanted = entry(files=(WeightFile(name="weights.bin", sha256=SHA256), page))
    events: list[Event] = []
    run(hub.download_steps(wanted, mirror=str(tmp_path / "usb")), events.append)
    assert located(wanted).weights.read_bytes() == CONTENT  # type: ignore[union-attr]
    assert isinstance(events[-1], Notice)
    assert "models import words.json --encoder x-encoder" in events[-1].message


def test_a_folder_with_another_or_no_file(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"expected weights\.bin in .*owner/name or .*, got none; copy it"):
        run(hub.download_steps(entry(), mirror=str(tmp_path)))
    (tmp_path / "weights.bin").write_bytes(b"other")
    wanted = entry(files=(WeightFile(name="weights.bin", sha256=SHA256),))
    with pytest.raises(EncoderError, match=r"expected the published file .* copy it again"):
        run(hub.download_steps(wanted, mirror=str(tmp_path)))
    assert located(wanted) is None
