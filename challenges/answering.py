"""What the challenge port answers to whom: the one definition of its behaviour. Decides, does
nothing; the server of `python -m challenges` and the Django view both use it.
"""

from __future__ import annotations

import dataclasses
import re
from http import HTTPStatus

METHODS = ("GET", "HEAD")
# base64url, at least 128 bits (RFC 8555 §8.3). What a stranger sends is data and never trusted.
# Let's Encrypt's have 43 characters, of a CA of one's own they may be longer.
TOKEN = r"[A-Za-z0-9_-]{22,128}"  # noqa: S105 - a form, no secret
_PATH = re.compile(rf"/\.well-known/acme-challenge/({TOKEN})")


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, apart from what the connection adds. HEAD gets it without the body."""

    status: HTTPStatus
    body: bytes
    content_type: str = "text/plain"
    allow: str = ""

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Names and values, in the order in which they are sent."""
        found = (("Content-Type", self.content_type), ("Content-Length", str(len(self.body))))
        return (("Allow", self.allow), *found) if self.allow else found


def bare(status: HTTPStatus, *, allow: str = "") -> Answer:
    """The number of the status and nothing else: no word about what program this is."""
    return Answer(status, f"{status.value}\n".encode("ascii"), allow=allow)


BAD_REQUEST = bare(HTTPStatus.BAD_REQUEST)
NOT_FOUND = bare(HTTPStatus.NOT_FOUND)
METHOD_NOT_ALLOWED = bare(HTTPStatus.METHOD_NOT_ALLOWED, allow=", ".join(METHODS))
HEAD_TOO_LARGE = bare(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
BROKEN = bare(HTTPStatus.INTERNAL_SERVER_ERROR)
# Not a 404: whoever asks shall try again.
AWAY = bare(HTTPStatus.SERVICE_UNAVAILABLE)


def asked(method: str, path: str) -> str | Answer:
    """The token that a request asks for, or the answer that needs no look at the tokens."""
    match = _PATH.fullmatch(path)
    if match is None:
        return NOT_FOUND
    if method not in METHODS:
        return METHOD_NOT_ALLOWED
    return match[1]


def answer(key_authorization: str | None) -> Answer:
    """To whoever asked for a token: its key authorization, exactly (RFC 8555 §8.3), or 404.

    87 bytes for a token of 43 characters, as Let's Encrypt makes them, which refuses a body of
    128 bytes and more. The longest token of other CAs comes to 172.
    """
    if key_authorization is None:
        return NOT_FOUND
    return Answer(HTTPStatus.OK, key_authorization.encode(), "application/octet-stream")
