"""What a CA's refusal concerns and when to ask again, as far as its words say so."""

from __future__ import annotations

import datetime
import enum
import re

from certificates.policy.acme_document import CaProblem
from certificates.policy.retry import LONGEST_RETRY_AFTER

_HOSTNAME = re.compile(r"(\*\.)?[A-Za-z0-9_-][A-Za-z0-9._-]{0,252}")
_PAUSED = ("temporarily prevented from requesting", "unpause?", " is paused", " are paused")
_MOMENT = re.compile(
    r"retry after (\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})(?![.\d]*[+-]\d)", re.IGNORECASE
)
# The token in Let's Encrypt's link names the account and up to a hundred names.
_LINK = re.compile(r"https://[A-Za-z0-9.-]{1,253}(?::\d{1,5})?(?:[/?][!#-;=?-\[\]-~]{0,2000})?")
# Boulder quotes the name that a limit is about; older versions and pauses name it otherwise.
_SUBJECT = re.compile(
    r"\"([^\"\s]+)\"|already issued for: ([^\s,:]+)|requesting certificates for ([^\s,]+)"
)
# The words for each of Let's Encrypt's limits that say what they are about.
EXACT_SET = ("exact set of", "duplicate certificate")
FAILURES = "failed authorizations"
ISSUED_FOR = "already issued for"
NEW_ORDERS = "from this account"
PENDING = "pending authorizations"
NEW_ACCOUNTS = "new registrations"
BUSY = "service busy"


class Scope(enum.StrEnum):
    """What a refusal concerns, and so what has to pause."""

    CA = "ca"
    ACCOUNT = "account"
    REGISTERED_DOMAIN = "registered-domain"
    IDENTIFIER_SET = "identifier-set"
    IDENTIFIER = "identifier"


def is_hostname(text: str) -> bool:
    """Whether a text of the CA may be shown as a name, a wildcard's included."""
    return _HOSTNAME.fullmatch(text) is not None


def is_pause(problem: CaProblem) -> bool:
    """Whether it is Let's Encrypt's pause, which only a person can end."""
    detail = problem.detail.lower()
    return problem.is_limit and any(words in detail for words in _PAUSED)


def link_in(problem: CaProblem) -> str:
    """The first web address in the CA's own text that begins with https, or nothing."""
    found = _LINK.search(problem.detail) if problem.is_limit else None
    return found[0].rstrip(".,;:!?)") if found else ""


def account_is_closed(problem: CaProblem) -> bool:
    """Whether the CA refuses a request because the account was deactivated or revoked (§7.3.6).

    Only for the refusal of a request: that of an authorization quotes what others have said.
    """
    detail = problem.detail.lower()
    return (
        problem.type == "unauthorized"
        and problem.status in {401, 403}
        and "account" in detail
        and any(word in detail for word in ("deactivated", "revoked", "not valid"))
    )


def is_passing(problem: CaProblem) -> bool:
    """Whether the same request may succeed soon: the CA's own trouble, not a verdict on ours."""
    return problem.status >= 500 or problem.type in {
        "badNonce",
        "orderNotReady",
        "serverInternal",
    }


def scope_of(problem: CaProblem) -> Scope:
    """What has to pause after a refusal for the sake of a limit or of the CA's own trouble.

    A domain or an identifier only where :func:`subject_of` says which. What is not understood
    concerns this set of names alone, so that one gateway cannot block the others.
    """
    problem = problem.first
    if is_passing(problem):
        scope = Scope.CA
    else:
        scope = _limited(problem) if problem.is_limit else Scope.IDENTIFIER_SET
    needs_subject = scope in {Scope.REGISTERED_DOMAIN, Scope.IDENTIFIER}
    return Scope.IDENTIFIER_SET if needs_subject and not subject_of(problem) else scope


def _limited(problem: CaProblem) -> Scope:
    """Which of Let's Encrypt's limits the words are about."""
    detail = problem.detail.lower()
    if any(words in detail for words in EXACT_SET):
        return Scope.IDENTIFIER_SET
    if FAILURES in detail or is_pause(problem):
        return Scope.IDENTIFIER
    if ISSUED_FOR in detail:
        return Scope.REGISTERED_DOMAIN
    # Without an account nothing can be ordered, so its registration counts like the account.
    if any(words in detail for words in (NEW_ORDERS, PENDING, NEW_ACCOUNTS)):
        return Scope.ACCOUNT
    return Scope.CA if BUSY in detail else Scope.IDENTIFIER_SET


def subject_of(problem: CaProblem) -> str:
    """The domain or identifier that a limit is about, in lower case; else empty."""
    problem = problem.first
    for found in _SUBJECT.finditer(problem.detail if problem.is_limit else ""):
        name = next(group for group in found.groups() if group).lower()
        if is_hostname(name) and "." in name:
            return name
    return ""


def retry_moment(problem: CaProblem, now: datetime.datetime) -> datetime.datetime | None:
    """When the CA may be asked again: the header, or else the words "retry after" in its text.

    At most a day from ``now`` and never before it. None when the CA does not say.
    """
    moment = said_moment(problem)
    return min(max(moment, now), now + LONGEST_RETRY_AFTER) if moment else None


def said_moment(problem: CaProblem) -> datetime.datetime | None:
    """The moment that the CA has named, however far away. None when the CA does not say."""
    first = problem.first
    if problem.retry_after is not None or not first.is_limit:
        return problem.retry_after
    found = _MOMENT.search(first.detail)
    if found is None:
        return None
    try:
        moment = datetime.datetime.fromisoformat(f"{found[1]}T{found[2]}")
    except ValueError:
        return None
    return moment.replace(tzinfo=datetime.UTC)


def mentions_replaces(problem: CaProblem) -> bool:
    """Whether newOrder was refused for its ``replaces`` (RFC 9773 §5), whatever the type.

    CAs have said ``alreadyReplaced``, ``conflict``, ``malformed``, ``unauthorized`` and
    ``serverInternal`` for that. The same order without the field may succeed.
    """
    said = (problem, *problem.subproblems)
    return any(part.type == "alreadyReplaced" or "replace" in part.detail.lower() for part in said)
