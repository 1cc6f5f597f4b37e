"""The CA, spoken to by ACME: the only place that imports acme, josepy and requests.

It speaks our dataclasses and aware UTC times, so that nothing of those libraries leaks out.
"""

from __future__ import annotations

from certificates.authority.account_keys import AccountKey, account_key_from_jwk, new_account_key
from certificates.authority.answers import (
    AcmeError,
    AuthorizationAnswer,
    Challenge,
    Directory,
    InvalidAnswerError,
    OrderAnswer,
    RenewalInformationAnswer,
    UnreachableError,
)
from certificates.authority.client import Authority
from certificates.authority.connections import connection
from certificates.authority.reading import (
    Reader,
    fetch_directory,
    fetch_renewal_information,
    reader,
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
    "Reader",
    "RenewalInformationAnswer",
    "UnreachableError",
    "account_key_from_jwk",
    "connection",
    "fetch_directory",
    "fetch_renewal_information",
    "new_account_key",
    "reader",
]
