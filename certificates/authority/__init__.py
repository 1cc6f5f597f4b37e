"""The CA, spoken to by ACME: the only place that imports acme, josepy and requests.

It speaks our dataclasses and aware UTC times, so that nothing of those libraries leaks out.
"""

from __future__ import annotations

from certificates.authority.answers import (
    AcmeError,
    AuthorizationAnswer,
    Challenge,
    Directory,
    InvalidAnswerError,
    OrderAnswer,
    UnreachableError,
)
from certificates.authority.client import (
    AccountKey,
    Authority,
    connection,
    fetch_directory,
    new_account_key,
)

__all__ = [
    "AccountKey",
    "AcmeError",
    "Authority",
    "AuthorizationAnswer",
    "Challenge",
    "Directory",
    "InvalidAnswerError",
    "OrderAnswer",
    "UnreachableError",
    "connection",
    "fetch_directory",
    "new_account_key",
]
