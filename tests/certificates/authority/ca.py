"""A CA over real HTTPS that answers whatever a test wants it to."""

from __future__ import annotations

import base64
import dataclasses
import http.server
import itertools
import json
import ssl
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from tests.parts.pki import HttpsAuthority

JSON = "application/json"


@dataclasses.dataclass(frozen=True)
class Seen:
    """A request as the CA received it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def protected(self) -> dict[str, Any]:
        """The signed header of a JWS."""
        return dict(json.loads(_decoded(json.loads(self.body)["protected"])))

    @property
    def payload(self) -> bytes:
        """What was signed."""
        return _decoded(json.loads(self.body)["payload"])


@dataclasses.dataclass(frozen=True)
class Reply:
    """What the CA answers. Anything but bytes is sent as JSON.

    ``promised`` is a Content-Length that is not kept.
    """

    body: object = dataclasses.field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    nonce: bool = True
    promised: int | None = None


Answer = Reply | Callable[[Seen], Reply]


def refusal(kind: str, status: int = 400, **more: object) -> Reply:
    """A problem document."""
    document = {"type": f"urn:ietf:params:acme:error:{kind}", "detail": "said the CA", **more}
    return Reply(document, status)


def dns(*names: str) -> list[dict[str, str]]:
    """Identifiers of an order."""
    return [{"type": "dns", "value": name} for name in names]


class Ca:
    """Answers by path; directory and nonces are there from the beginning."""

    def __init__(self, directory: Path) -> None:
        authority = HttpsAuthority(directory)
        files = authority.files
        self.bundle = authority.bundle
        self.seen: list[Seen] = []
        self.connections = 0
        self._nonces = itertools.count(1)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate, files.key)
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.base = f"https://127.0.0.1:{self._server.server_address[1]}"
        self.answers: dict[str, Answer] = {
            "/directory": Reply(self.directory()),
            "/new-nonce": Reply(b""),
            "/new-account": Reply({}, 201, {"Location": f"{self.base}/account/1"}),
        }
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """The directory's address."""
        return f"{self.base}/directory"

    def directory(self, **changes: object) -> dict[str, object]:
        """The directory document, with changes; None leaves a field out."""
        document = {
            "newNonce": f"{self.base}/new-nonce",
            "newAccount": f"{self.base}/new-account",
            "newOrder": f"{self.base}/new-order",
            "meta": {"termsOfService": "https://ca.example/terms"},
            **changes,
        }
        return {key: value for key, value in document.items() if value is not None}

    def order(self, **changes: object) -> dict[str, object]:
        """An order document, with changes; None leaves a field out."""
        document = {
            "status": "pending",
            "expires": "2026-12-01T00:00:00Z",
            "identifiers": dns("mx.example.org"),
            "authorizations": [f"{self.base}/authorization/1"],
            "finalize": f"{self.base}/finalize/1",
            **changes,
        }
        return {key: value for key, value in document.items() if value is not None}

    def authorization(self, **changes: object) -> dict[str, object]:
        """An authorization document, with changes; None leaves a field out."""
        document = {
            "status": "pending",
            "identifier": {"type": "dns", "value": "mx.example.org"},
            "challenges": [
                {"type": "dns-account-01", "url": f"{self.base}/challenge/0", "token": "x"},
                self.challenge(),
            ],
            **changes,
        }
        return {key: value for key, value in document.items() if value is not None}

    def challenge(self, **changes: object) -> dict[str, object]:
        """An HTTP-01 challenge, with changes."""
        return {
            "type": "http-01",
            "url": f"{self.base}/challenge/1",
            "status": "pending",
            "token": "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA",
            **changes,
        }

    def requests(self, path: str) -> list[Seen]:
        """What was asked of that path."""
        return [seen for seen in self.seen if seen.path == path]

    def _nonce(self) -> str:
        raw = next(self._nonces).to_bytes(16, "big")
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    def _reply(self, seen: Seen) -> Reply:
        self.seen.append(seen)
        answer = self.answers.get(seen.path, refusal("malformed", 404))
        return answer(seen) if callable(answer) else answer

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        ca = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 10
            disable_nagle_algorithm = True  # else every handshake takes 40 ms
            wbufsize = 65536  # in one piece, or Nagle's algorithm makes it 40 ms

            def setup(self) -> None:
                ca.connections += 1
                super().setup()

            def handle(self) -> None:
                try:
                    super().handle()
                except OSError:
                    self.close_connection = True

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                reply = ca._reply(Seen(self.command, self.path, dict(self.headers), body))
                content = (
                    reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                )
                headers = {"Content-Type": JSON, **reply.headers}
                if reply.nonce:
                    headers.setdefault("Replay-Nonce", ca._nonce())
                self.send_response(reply.status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(reply.promised or len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)
                if reply.promised:
                    self.close_connection = True

            do_GET = do_HEAD = do_POST = answer  # noqa: N815 # as the library wants it

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
