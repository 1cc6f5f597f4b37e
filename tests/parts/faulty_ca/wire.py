"""HTTP/1.1 as the proxy speaks it: requests read, answers read and written, nothing interpreted."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import functools
import http
import json
from typing import Any
from urllib.parse import urlsplit

Headers = tuple[tuple[str, str], ...]

# RFC 9110 §7.6.1, and what both sides write themselves.
NOT_PASSED_ON = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "te", "upgrade"}
)
BODILESS = frozenset({204, 304})


def find(headers: Headers, name: str) -> str:
    """The first header of that name; empty when there is none."""
    return next((value for key, value in headers if key.lower() == name.lower()), "")


@dataclasses.dataclass(frozen=True)
class Request:
    """What a client asked."""

    method: str
    target: str
    headers: Headers
    body: bytes = b""

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @property
    def origin(self) -> str:
        """How the client calls this server, and with it how the CA's own URLs begin."""
        return f"https://{find(self.headers, 'Host')}"

    @functools.cached_property
    def protected(self) -> dict[str, Any]:
        """The signed header of the JWS in the body, unverified; empty when there is none."""
        document = _signed(self.body, "protected")
        return document if isinstance(document, dict) else {}

    @functools.cached_property
    def payload(self) -> dict[str, Any] | None:
        """What was signed, unverified; None for POST-as-GET (RFC 8555 §6.3) and without a JWS."""
        document = _signed(self.body, "payload")
        return document if isinstance(document, dict) else None

    def to_bytes(self) -> bytes:
        """As it goes on to the CA: what the client wrote, the Host header too."""
        lines = [f"{self.method} {self.target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in _passed_on(self.headers)]
        lines.append(f"Content-Length: {len(self.body)}\r\n\r\n")
        return "\r\n".join(lines).encode("latin-1") + self.body


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a client is told. ``fresh_nonce``: the proxy is to add one that the CA will accept."""

    status: int = 200
    headers: Headers = ()
    body: bytes = b""
    fresh_nonce: bool = False

    @functools.cached_property
    def document(self) -> dict[str, Any] | None:
        """The body, if it is a JSON object."""
        try:
            document = json.loads(self.body)
        except ValueError:
            return None
        return document if isinstance(document, dict) else None

    @property
    def is_success(self) -> bool:
        """Whether the CA has done what it was asked."""
        return 200 <= self.status < 300

    def header(self, name: str) -> str:
        """The first header of that name; empty when there is none."""
        return find(self.headers, name)

    def without(self, *names: str) -> Answer:
        """Without the headers of those names."""
        gone = {name.lower() for name in names}
        kept = tuple(pair for pair in self.headers if pair[0].lower() not in gone)
        return dataclasses.replace(self, headers=kept)

    def having(self, name: str, value: str) -> Answer:
        """With that one header of that name."""
        changed = self.without(name)
        return dataclasses.replace(changed, headers=(*changed.headers, (name, value)))

    def saying(self, document: object) -> Answer:
        """With that body as JSON."""
        return dataclasses.replace(self, body=json.dumps(document).encode())

    def head_bytes(self) -> bytes:
        """Status line and headers, with the length of the body."""
        try:
            phrase = http.HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "Unknown"
        lines = [f"HTTP/1.1 {self.status} {phrase}"]
        lines += [f"{name}: {value}" for name, value in _passed_on(self.headers)]
        lines.append(f"Content-Length: {len(self.body)}\r\n\r\n")
        return "\r\n".join(lines).encode("latin-1")


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The client's next request; None when it has closed. Raises OSError, IncompleteReadError."""
    try:
        line, headers = await _read_head(reader)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    method, target, _ = line.split(" ", 2)
    body = await reader.readexactly(int(find(headers, "Content-Length") or 0))
    return Request(method, target, headers, body)


async def read_answer(reader: asyncio.StreamReader, method: str) -> Answer:
    """The CA's answer to a request of that method. Raises OSError, IncompleteReadError."""
    line, headers = await _read_head(reader)
    status = int(line.split(" ", 2)[1])
    body = b""
    if method != "HEAD" and status not in BODILESS:
        if find(headers, "Transfer-Encoding").lower() == "chunked":
            body = await _read_chunks(reader)
        else:
            body = await reader.readexactly(int(find(headers, "Content-Length") or 0))
    return Answer(status, _passed_on(headers), body)


async def _read_head(reader: asyncio.StreamReader) -> tuple[str, Headers]:
    text = (await reader.readuntil(b"\r\n\r\n"))[:-4].decode("latin-1")
    first, *lines = text.split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return first, tuple((name, value.strip()) for name, _, value in pairs)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += (await reader.readexactly(size + 2))[:-2]
    while (await reader.readline()).strip():
        pass  # trailers
    return body


def _passed_on(headers: Headers) -> Headers:
    return tuple(pair for pair in headers if pair[0].lower() not in NOT_PASSED_ON)


def _signed(body: bytes, part: str) -> object:
    try:
        text = json.loads(body)[part]
        return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, KeyError, TypeError):
        return None
