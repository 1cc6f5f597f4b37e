"""What a CA can answer and how asking it can fail: plain values with aware UTC times."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping

from certificates.policy.acme_document import CaProblem


class AcmeError(Exception):
    """The CA refused; ``problem`` is its problem document."""

    def __init__(self, problem: CaProblem) -> None:
        super().__init__(f"{problem.type}: {problem.detail}")
        self.problem = problem


class UnreachableError(Exception):
    """No answer: no connection, no TLS, or it broke off. The request may have been carried out."""


class InvalidAnswerError(Exception):
    """An answer that is not ACME, or that cannot be trusted."""


@dataclasses.dataclass(frozen=True)
class Directory:
    """What a CA offers (RFC 8555 §7.1.1).

    ``renewal_info`` is empty where it offers none (RFC 9773 §4.1). ``profiles`` are descriptions
    by name (draft-aaron-acme-profiles), written by the CA and so hostile text; ``caa_identities``
    are domain names in lower case.
    """

    url: str
    new_nonce: str
    new_account: str
    new_order: str
    terms_of_service: str
    external_account_required: bool
    renewal_info: str = ""
    profiles: Mapping[str, str] = dataclasses.field(default_factory=dict)
    caa_identities: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class RenewalInformationAnswer:
    """When a CA suggests to renew a certificate (RFC 9773 §4.2).

    ``explanation_url`` is a web link for people, or empty.
    """

    window_start: datetime.datetime
    window_end: datetime.datetime
    explanation_url: str
    retry_after: datetime.datetime | None


@dataclasses.dataclass(frozen=True)
class OrderAnswer:
    """An order as the CA sees it (RFC 8555 §7.1.3). ``url`` is known also where it did not say."""

    url: str
    status: str
    authorization_urls: tuple[str, ...]
    finalize_url: str
    certificate_url: str
    expires_at: datetime.datetime | None
    problem: CaProblem | None
    retry_after: datetime.datetime | None


@dataclasses.dataclass(frozen=True)
class Challenge:
    """The HTTP-01 challenge of an authorization (RFC 8555 §8.3)."""

    url: str
    status: str
    token: str
    key_authorization: str


@dataclasses.dataclass(frozen=True)
class AuthorizationAnswer:
    """An authorization (RFC 8555 §7.1.4) with its HTTP-01 challenge, if it offers one."""

    identifier: str
    status: str
    challenge: Challenge | None
    problem: CaProblem | None
    expires_at: datetime.datetime | None
