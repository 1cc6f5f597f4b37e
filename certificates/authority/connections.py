"""Kept connections: one that has been used is lent, with its nonces, to the next who asks."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from certificates.authority.account_keys import AccountKey
from certificates.authority.answers import InvalidAnswerError, UnreachableError
from certificates.authority.client import Authority

POOL_SIZE = 8

_Identity = tuple[str, str]
_idle: dict[_Identity, list[Authority]] = {}
_idle_lock = threading.Lock()


@contextlib.contextmanager
def connection(
    directory_url: str, key: AccountKey, account_url: str, ca_bundle: Path | None
) -> Iterator[Authority]:
    """Borrow a connection for this account's key; it is kept, with its nonces, for the next one.

    One that failed is closed, since its answers may be out of step with its requests; what the CA
    has said before, its directory and its nonces, is kept. Asking for both again would treble
    what can fail at a CA that is in trouble.
    """
    identity = (directory_url, key.thumbprint)
    with _idle_lock:
        kept = _idle.get(identity, [])
        authority = kept.pop() if kept else None
    authority = authority or Authority(directory_url, key, ca_bundle)
    authority.account_url = account_url
    try:
        yield authority
    except (UnreachableError, InvalidAnswerError):
        authority.close()
        raise
    finally:
        _keep(identity, authority)


def _keep(identity: _Identity, authority: Authority) -> None:
    with _idle_lock:
        kept = _idle.setdefault(identity, [])
        if len(kept) < POOL_SIZE:
            kept.append(authority)
