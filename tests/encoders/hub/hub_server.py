"""A local server that answers as the hub does, and misbehaves on request."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from napari_construct.encoders.hub import transfer

CONTENT = bytes(range(256)) * 8192  # 2 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()
TOKEN = "hf_" + "x" * 34
REFUSED = {
    "GatedRepo": "Access to model owner/name is restricted and you are not in the authorized list.",
    "awaiting": "Your request to access model owner/name is awaiting a review from the repo authors.",
    "rejected": "Your request to access model owner/name has been rejected by the repo's authors.",
    "scope": "Please enable access to public gated repositories in your fine-grained token settings.",
    "invalid": "Invalid credentials in Authorization header",
}


class Hub(ThreadingHTTPServer):
    """A hub with one repository; ``status``, ``headers`` and ``break_after`` make it misbehave."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = {"weights.bin": CONTENT}
        self.status: dict[str, int] = {}  # by HTTP method
        self.headers: dict[str, str] = {}
        self.break_after: list[int] = []  # bytes of the next answers after which the connection closes
        self.ranges = True
        self.sha256: str | None = None
        self.slowly: float = 0.0  # seconds between two parts of an answer
        self.seen: list[tuple[str, str, str | None, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are what is tested."""


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        hub, asked = self.server, self.headers
        hub.seen.append((self.command, self.path, asked.get("Range"), asked.get("Authorization")))
        content = hub.files.get(self.path.rpartition("/")[2])
        status = hub.status.get(self.command, 200 if content is not None else 404)
        if status != 200 or content is None:
            self.send_response(status)
            for name, value in (hub.headers or {"X-Error-Code": "EntryNotFound"}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        wanted = asked.get("Range") if hub.ranges else None
        first = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("X-Repo-Commit", "c" * 40)
        self.send_header("ETag", f'"{hub.sha256 or hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        if body:
            until = hub.break_after.pop(0) if hub.break_after else len(content)
            self._write(content[first : first + until])

    def _write(self, content: bytes) -> None:
        if not self.server.slowly:
            self.wfile.write(content)
            return
        for start in range(0, len(content), 2**17):
            self.wfile.write(content[start : start + 2**17])
            time.sleep(self.server.slowly)


def use_hub(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """What HF_ENDPOINT does when it is set before the start."""
    from huggingface_hub import constants

    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@contextmanager
def running_hub(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[Hub]:
    """The hub of this process, with its own empty store of tokens."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(transfer, "PAUSE", 0.01)
    with Hub() as running:
        use_hub(monkeypatch, running.url)
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()
