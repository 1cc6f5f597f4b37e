"""What can be asked of a CA, and the log of what was."""

from __future__ import annotations

import collections
import dataclasses
import enum
import threading
from typing import Any


class Endpoint(enum.Enum):
    """The kinds of request that ACME knows (RFC 8555 §7.1, RFC 9773 §4)."""

    DIRECTORY = "directory"
    NEW_NONCE = "newNonce"
    NEW_ACCOUNT = "newAccount"
    ACCOUNT = "account"
    NEW_ORDER = "newOrder"
    ORDER = "order"
    AUTHORIZATION = "authorization"
    CHALLENGE = "challenge"
    FINALIZE = "finalize"
    CERTIFICATE = "certificate"
    RENEWAL_INFO = "renewalInfo"
    REVOKE = "revokeCert"
    KEY_CHANGE = "keyChange"
    OTHER = "other"


# What the directory itself names, by its fields.
IN_DIRECTORY = {
    endpoint.value: endpoint
    for endpoint in (
        Endpoint.NEW_NONCE,
        Endpoint.NEW_ACCOUNT,
        Endpoint.NEW_ORDER,
        Endpoint.RENEWAL_INFO,
        Endpoint.REVOKE,
        Endpoint.KEY_CHANGE,
    )
}
# Everything that is asked with a signature and so with a nonce.
SIGNED = frozenset(Endpoint) - {Endpoint.DIRECTORY, Endpoint.NEW_NONCE, Endpoint.RENEWAL_INFO}

CA = "ca"
PROXY = "proxy"


@dataclasses.dataclass(frozen=True)
class Seen:
    """One request. ``answered_by`` is "ca", "proxy" (what the proxy adds) or a fault's name.

    ``payload`` is what was signed, None for POST-as-GET; ``account`` is the URL of who signed.
    ``at`` is a moment of time.monotonic().
    """

    endpoint: Endpoint
    method: str
    path: str
    payload: dict[str, Any] | None
    account: str
    answered_by: str
    at: float


class Log:
    """Every request since the start or the last ``clear()``; for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: list[Seen] = []
        self._orders = 0
        self._certificates = 0

    def add(self, seen: Seen) -> None:
        """One more request."""
        with self._lock:
            self._seen.append(seen)

    def carried_out(self, endpoint: Endpoint) -> None:
        """The CA has done what it was asked, whatever its client is told."""
        with self._lock:
            self._orders += endpoint is Endpoint.NEW_ORDER
            self._certificates += endpoint is Endpoint.FINALIZE

    def clear(self) -> None:
        """Count from zero."""
        with self._lock:
            self._seen.clear()
            self._orders = self._certificates = 0

    @property
    def seen(self) -> tuple[Seen, ...]:
        """The requests in the order in which they came."""
        with self._lock:
            return tuple(self._seen)

    @property
    def counts(self) -> collections.Counter[Endpoint]:
        """How many of each kind."""
        return collections.Counter(seen.endpoint for seen in self.seen)

    @property
    def orders_placed(self) -> int:
        """How many newOrder requests the CA has carried out."""
        with self._lock:
            return self._orders

    @property
    def certificates_issued(self) -> int:
        """How many finalize requests the CA has accepted."""
        with self._lock:
            return self._certificates
