"""One bounded HTTP request for a token, to one address, following nothing."""

from __future__ import annotations

import dataclasses
import enum
import http.client
import time
from http import HTTPStatus

PATH = "/.well-known/acme-challenge/"
MOST_BYTES = 1024


class Outcome(enum.Enum):
    """What came of it."""

    ANSWERED = "answered"
    REFUSED = "refused"
    SILENT = "silent"
    CUT_OFF = "cut off"


@dataclasses.dataclass(frozen=True)
class Answer:
    """An HTTP answer, or why there is none. ``detail`` quotes a stranger."""

    outcome: Outcome
    status: int = 0
    body: bytes = b""
    location: str = ""
    detail: str = ""

    def is_token(self, authorization: str) -> bool:
        """Whether this is what a CA accepts: 200 and the key authorization (RFC 8555 §8.3)."""
        return self.status == HTTPStatus.OK and self.body.rstrip() == authorization.encode()


def fetch(address: str, port: int, token: str, *, host: str, seconds: float) -> Answer:
    """GET the token from ``address``, by the name ``host``. Never raises for what the peer does."""
    connection = http.client.HTTPConnection(address, port, timeout=seconds)
    started = time.monotonic()
    try:
        connection.request("GET", PATH + token, headers={"Host": host, "Connection": "close"})
        response = connection.getresponse()
        body = _read(response, connection, started + seconds)
    except TimeoutError as error:
        return Answer(Outcome.SILENT, detail=_said(address, port, error))
    except ConnectionRefusedError as error:
        return Answer(Outcome.REFUSED, detail=_said(address, port, error))
    except (ConnectionError, http.client.HTTPException) as error:
        return Answer(Outcome.CUT_OFF, detail=_said(address, port, error))
    except OSError as error:  # no route and the like
        return Answer(Outcome.SILENT, detail=_said(address, port, error))
    finally:
        connection.close()
    server = response.getheader("Server") or ""
    return Answer(
        Outcome.ANSWERED,
        response.status,
        body,
        response.getheader("Location") or "",
        f"{address} port {port}: {response.status} {server[:80]!r} {body[:200]!r}",
    )


def _read(
    response: http.client.HTTPResponse, connection: http.client.HTTPConnection, deadline: float
) -> bytes:
    """At most MOST_BYTES; a peer that trickles is not waited for beyond ``deadline``."""
    body = b""
    while len(body) < MOST_BYTES:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if connection.sock is not None:
            connection.sock.settimeout(left)
        part = response.read1(MOST_BYTES - len(body))
        if not part:
            break
        body += part
    return body


def _said(address: str, port: int, error: Exception) -> str:
    return f"{address} port {port}: {str(error) or type(error).__name__}"
