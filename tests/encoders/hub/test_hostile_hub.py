"""Servers that are no hub, tokens that are none, and addresses with secrets in them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from napari_construct.encoders.hub import client as hub
from napari_construct.encoders.hub import token as tokens
from napari_construct.encoders.hub.token import has_token, hub_token, stored_token, token_for
from napari_construct.events import run
from napari_construct.exceptions import CheckpointError, EncoderError
from napari_construct.models.library import sharing
from napari_construct.models.library.sharing import pull_model, push_model

from .hub_server import CONTENT, TOKEN, Hub, running_hub, use_hub
from .test_hub import entry, fetch

LOGIN_PAGE = b"<!DOCTYPE html><html><body>Please log in to the hospital's network</body></html>" * 40
Answer = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[Hub]:
    with running_hub(monkeypatch, home) as running:
        yield running


class Other(ThreadingHTTPServer):
    """Any server; remembers who asked with which token."""

    daemon_threads = True

    def __init__(self, answer: Answer) -> None:
        self.seen: list[tuple[str, str | None]] = []

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments: Any) -> None:
                pass

            def do_GET(handler) -> None:  # noqa: N805
                self.seen.append((f"{handler.command} {handler.path}", handler.headers.get("Authorization")))
                answer(handler)

            do_HEAD = do_POST = do_GET  # noqa: N815

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving(answer: Answer) -> Iterator[Other]:
    with Other(answer) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def answers(content: bytes, status: int = 200, kind: str = "text/html", **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        usual = {"Content_Type": kind, "Content_Length": str(len(content))}
        for name, value in (usual | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(content)

    return answer


def listing(name: str) -> Answer:
    """A repository with one file."""
    rows = [{"type": "file", "path": name, "size": 10, "oid": "0" * 40}]
    about = {"id": "me/model", "sha": "c" * 40, "siblings": [{"rfilename": name}]}

    def answer(handler: BaseHTTPRequestHandler) -> None:
        said = rows if "/tree/" in handler.path else about
        answers(json.dumps(said).encode(), kind="application/json")(handler)

    return answer


def use(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    from huggingface_hub import hf_api

    use_hub(monkeypatch, address)
    monkeypatch.setattr(hf_api, "ENDPOINT", address, raising=False)
    monkeypatch.setattr(hf_api.api, "endpoint", address)


NO_HUBS = {
    "page": answers(LOGIN_PAGE),
    "page as a file": answers(LOGIN_PAGE, ETag='"x"'),
    "redirect": answers(b"", 302, Location="/login"),
    "other JSON": answers(b"{}", kind="application/json"),
    "deep JSON": answers(b"[" * 100_000, kind="application/json"),
    "length of text": answers(b"", ETag='"x"', Content_Length="many"),
    "negative length": answers(b"", ETag='"x"', Content_Length="-5"),
    "endless length": answers(b"", ETag='"x"', Content_Length="9" * 30),
    "login required": answers(b"", 511),
}


@pytest.mark.parametrize("kind", NO_HUBS)
def test_what_is_no_hub_is_said_in_one_sentence(
    server: Hub, monkeypatch: pytest.MonkeyPatch, kind: str, home: Path
) -> None:
    answer = NO_HUBS[kind]
    with serving(answer) as other:
        with pytest.raises(EncoderError) as caught:
            run(hub.download_steps(entry(), mirror=other.url))
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 500
        if "length" in kind:
            return
        use(monkeypatch, other.url)
        with pytest.raises(CheckpointError) as pulled:
            pull_model("me/model")
        assert len(str(pulled.value)) < 500
        (home / "token").write_text(TOKEN)
        monkeypatch.setattr(sharing, "export_model", lambda model, folder, **rest: _exported(folder))
        with pytest.raises(CheckpointError):
            push_model("x", "me/model")


def _exported(folder: str) -> dict[str, Path]:
    paths = {"model": Path(folder) / "x.construct", "card": Path(folder) / "x.md"}
    for path in paths.values():
        path.write_text("x")
    return paths


@pytest.mark.parametrize(
    "mirror", ["http://[", "http://x:y", "ftp://host/x", "http://a b/", "https://", "://"]
)
def test_impossible_addresses(server: Hub, mirror: str) -> None:
    with pytest.raises(EncoderError):
        run(hub.download_steps(entry(), mirror=mirror))


def test_a_redirect_does_not_take_the_token_along(server: Hub, home: Path) -> None:
    (home / "token").write_text(TOKEN)
    with serving(answers(CONTENT, kind="x/y", ETag='"x"')) as other:
        server.status = {"GET": 302}
        server.headers = {"Location": f"{other.url}/weights.bin"}
        fetch(server)
        assert {token for _, token in other.seen} == {None}
        assert {request[3] for request in server.seen} == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    ("own", "asked", "mirror", "given"),
    [
        ("https://huggingface.co", "https://huggingface.co/x", None, True),
        ("https://huggingface.co", "https://huggingface.co:443/x", "https://huggingface.co:443", True),
        ("https://huggingface.co", "http://huggingface.co/x", "http://huggingface.co", False),
        ("https://huggingface.co", "https://huggingface.co.evil.example/x", None, False),
        ("https://huggingface.co", "https://huggingface.co@evil.example/x", None, False),
        ("https://huggingface.co", "https://huggingface.co:8443/x", None, False),
        ("http://intranet", "http://intranet/x", "http://intranet", False),
        ("http://intranet", "http://intranet/x", None, True),  # the user's own HF_ENDPOINT
        ("http://127.0.0.1:9", "http://127.0.0.1:9/x", "http://127.0.0.1:9", True),
    ],
)
def test_who_gets_the_token(
    monkeypatch: pytest.MonkeyPatch, own: str, asked: str, mirror: str | None, given: bool
) -> None:
    use_hub(monkeypatch, own)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert token_for(asked, mirror) == (TOKEN if given else False)


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", "hf_schlüssel".encode(), b"hf_a\x07b", b"hf_" + b"x" * 10**6]
)
def test_tokens_that_are_none(server: Hub, home: Path, content: bytes) -> None:
    (home / "token").write_bytes(content)
    assert stored_token().startswith("unusable: ")
    with pytest.raises(EncoderError, match=r"hub token.*log in again with 'hf auth login'"):
        hub_token()
    for job in (lambda: fetch(server), lambda: pull_model("me/model"), lambda: push_model("x", "me/model")):
        with pytest.raises((EncoderError, CheckpointError), match="log in again") as caught:
            job()
        assert len(str(caught.value)) < 500
    assert not server.seen
    assert not has_token()


def test_a_token_file_that_is_a_folder_or_locked(server: Hub, home: Path, monkeypatch: Any) -> None:
    (home / "token").mkdir()
    assert "got a folder" in stored_token()
    with pytest.raises(EncoderError, match="remove it and log in again"):
        fetch(server)

    def refused(*_: Any) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tokens, "get_token", refused)
    with pytest.raises(EncoderError, match="Permission denied"):
        hub_token()


def test_whether_there_is_a_token_asks_nobody(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked() -> str:
        raise AssertionError("the client may renew the token over the network")

    monkeypatch.setattr(tokens, "get_token", asked)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
    assert stored_token() == "none"
    home.mkdir(exist_ok=True)
    (home / "token").write_text(TOKEN)
    assert stored_token() == "there is one"
    monkeypatch.setenv("HF_TOKEN", "  ")
    assert stored_token() == "there is one"


def test_secrets_of_a_mirror_are_not_said(server: Hub) -> None:
    mirror = "http://anna:geheim@127.0.0.1:9/hub?token=abcdef"
    with pytest.raises(EncoderError) as caught:
        run(hub.download_steps(entry(), mirror=mirror))
    assert "geheim" not in str(caught.value)
    assert "abcdef" not in str(caught.value)
    with serving(answers(LOGIN_PAGE)) as other:
        mirror = other.url.replace("//", "//anna:geheim@")
        with pytest.raises(EncoderError) as caught:
            run(hub.download_steps(entry(), mirror=mirror))
        assert "geheim" not in str(caught.value)


def test_a_model_of_a_hub_has_a_limit(
    server: Hub, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        if "/resolve/" not in handler.path:
            listing("big.construct")(handler)
        else:
            size = sizes[handler.command]
            answers(b"x" * 10, ETag='"x"', Content_Length=str(size))(handler)
            if handler.command == "GET":
                handler.wfile.write(b"x" * (size - 10))

    monkeypatch.setattr(sharing, "LARGEST_MODEL", 1000)
    with serving(answer) as other:
        use(monkeypatch, other.url)
        sizes = {"HEAD": 1001, "GET": 1001}
        with pytest.raises(CheckpointError, match=r"expected big\.construct of at most"):
            pull_model("me/model")
        assert not [
            request for request, _ in other.seen if request.startswith("GET") and "resolve" in request
        ]
        sizes = {"HEAD": 900, "GET": 5000}  # more than it said
        with pytest.raises(CheckpointError, match=r"expected 900 bytes of big\.construct, got more"):
            pull_model("me/model")
    assert not (home / "models").exists()


@pytest.mark.parametrize(
    "name", ["../../evil.construct", "a/..\\\\evil.construct", "nul.construct", "a:b.construct"]
)
def test_names_of_a_hub_stay_in_the_folder(
    server: Hub, home: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with serving(listing(name)) as other:
        use(monkeypatch, other.url)
        with pytest.raises(CheckpointError):
            pull_model("me/model")
    assert not list(home.parent.rglob("evil*"))
