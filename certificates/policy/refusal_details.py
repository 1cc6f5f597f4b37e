"""Reads what Boulder says when it refuses a request or has trouble of its own."""

from __future__ import annotations

import re

from certificates.policy import refusal
from certificates.policy.acme_document import CaProblem
from certificates.policy.acme_kinds import Kind
from certificates.policy.validation_details import LONGEST_READ

_CANNOT = re.compile(r'Cannot issue for ["“]([^"”\s]{1,253})["”]: ')
_LIMITS: tuple[tuple[tuple[str, ...], Kind], ...] = (
    (refusal.EXACT_SET, Kind.LIMIT_EXACT_SET),
    ((refusal.FAILURES,), Kind.LIMIT_FAILURES),
    ((refusal.ISSUED_FOR,), Kind.LIMIT_DOMAIN),
    ((refusal.NEW_ORDERS,), Kind.LIMIT_ORDERS),
    ((refusal.PENDING,), Kind.LIMIT_PENDING),
    ((refusal.NEW_ACCOUNTS,), Kind.LIMIT_ACCOUNTS),
    ((refusal.BUSY,), Kind.BUSY),
)
_NAMES: tuple[tuple[tuple[str, ...], Kind], ...] = (
    (("forbidden by policy",), Kind.NAME_FORBIDDEN),
    (("public suffix", "is an icann tld", "non-public"), Kind.NAME_NOT_PUBLIC),
    (("ip address",), Kind.NAME_IS_ADDRESS),
    (
        (
            "domain name contains",
            "domain name is longer",
            "domain name has more than 10 labels",
            "domain name is empty",
            "domain name ends in a dot",
            "domain name needs at least one dot",
            "domain name can not have two dots",
            "domain has a label",
            "wildcard",
        ),
        Kind.NAME_INVALID,
    ),
    (("cannot contain more than", "more than 100", "more than 25"), Kind.TOO_MANY_NAMES),
    (("must be different than account key",), Kind.KEY_IS_ACCOUNT_KEY),
)
_BY_TYPE: dict[str, tuple[tuple[tuple[str, ...], Kind], ...]] = {
    "rejectedIdentifier": _NAMES,
    "unsupportedIdentifier": _NAMES,
    "malformed": _NAMES,
    "badCSR": (
        (("csr contains more than",), Kind.TOO_MANY_NAMES),
        (("invalid public key in csr",), Kind.CSR_KEY),
    ),
    "invalidContact": (
        (("invalid contact domain", "forbidden domain", "has invalid domain"), Kind.CONTACT_DOMAIN),
    ),
    "serverInternal": (
        (
            ("during secondary ", "validation rpc", "iscaavalid rpc", "too few remote"),
            Kind.PERSPECTIVE_FAILED,
        ),
        (("sct embedding requirements",), Kind.TRANSPARENCY_LOGS),
        (("down for maintenance",), Kind.MAINTENANCE),
    ),
}


def kind_of(problem: CaProblem) -> Kind | None:
    """What the words mean under this error's type; None where they say no more than the type."""
    if refusal.is_pause(problem):
        return Kind.PAUSED
    if refusal.account_is_closed(problem):
        return Kind.ACCOUNT_CLOSED
    known = _LIMITS if problem.type == "rateLimited" else _BY_TYPE.get(problem.type, ())
    detail = problem.detail[:LONGEST_READ].lower()
    return next((kind for words, kind in known if any(word in detail for word in words)), None)


def name_in(problem: CaProblem) -> str:
    """What Boulder quotes as the name that it cannot issue for; not yet looked at. Else empty."""
    if problem.type not in {"rejectedIdentifier", "malformed", "unsupportedIdentifier"}:
        return ""
    found = _CANNOT.search(problem.detail[:LONGEST_READ])
    return found[1] if found else ""
