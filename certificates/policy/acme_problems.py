"""What a CA's error means for a mail administrator, and whether trying again can help.

The texts in ``detail`` are hostile and are only ever quoted; what is read out of them decides at
most how long to pause and for what.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import re

from certificates.policy.acme_meanings import MEANINGS, TRY_AGAIN, UNKNOWN
from certificates.policy.retry import LONGEST_RETRY_AFTER
from challenges.problems import Problem, Severity

URN = "urn:ietf:params:acme:error:"
LONGEST_QUOTE = 20_000
LONGEST_SENTENCE = 1000
_HOSTNAME = re.compile(r"(\*\.)?[A-Za-z0-9_-][A-Za-z0-9._-]{0,252}")
_NOT_RESOLVED = ("could not resolve", "no such host", "nxdomain", "no valid a records")
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


class Scope(enum.StrEnum):
    """What a refusal concerns, and so what has to pause."""

    CA = "ca"
    ACCOUNT = "account"
    REGISTERED_DOMAIN = "registered-domain"
    IDENTIFIER_SET = "identifier-set"
    IDENTIFIER = "identifier"


@dataclasses.dataclass(frozen=True)
class CaProblem:
    """An ACME problem document. ``type`` is without the URN's prefix; empty when unknown."""

    type: str
    detail: str = ""
    status: int = 0
    identifier: str = ""
    subproblems: tuple[CaProblem, ...] = ()
    retry_after: datetime.datetime | None = None


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What the sentences are filled in with: this gateway's own names, port and scenario."""

    hostname: str
    challenge_port: int
    behind_nat: bool
    ca_name: str = "Let's Encrypt"

    @property
    def open_port(self) -> str:
        """The step that opens the way to the challenge port."""
        if self.behind_nat:
            return (
                "On the router, forward TCP port 80 of its public address to this machine, "
                f"port {self.challenge_port}, for all source addresses."
            )
        if self.challenge_port == 80:
            return "In the firewall, allow TCP port 80 of this machine for all source addresses."
        return (
            "The CA connects to TCP port 80, but the challenge port is "
            f"{self.challenge_port}: set the challenge port to 80, or forward port 80 to it."
        )


def explain(problem: CaProblem, surroundings: Surroundings) -> Problem:
    """The CA's error as a Problem, with this gateway's own values filled in.

    It is retryable unless the error is permanent: then it stays until somebody edits something,
    and automatic retries stop. What a person may mend elsewhere (the DNS, a router) is retryable.
    A compound error is explained by its first part, since what it is about is said there alone.
    """
    subject = _first(problem)
    kind = _kind(subject)
    meaning = MEANINGS.get(kind)
    if meaning is None:
        meaning = MEANINGS["serverInternal"] if problem.status >= 500 else UNKNOWN
    words = {
        "ca": surroundings.ca_name,
        "name": _name(subject) or surroundings.hostname,
        "open_port": surroundings.open_port,
        "unpause": _unpause_step(subject),
    }
    return Problem(
        code=f"acme-{kebab(kind) or 'unknown'}",
        severity=Severity.ERROR,
        explanation=meaning.explanation.format(**words),
        remedy=tuple(step.format(**words) for step in meaning.remedy),
        detail=quote(problem),
        retryable=not meaning.is_permanent,
    )


def _first(problem: CaProblem) -> CaProblem:
    is_compound = problem.type == "compound" and problem.subproblems
    return problem.subproblems[0] if is_compound else problem


def _name(problem: CaProblem) -> str:
    """The name that the error is about; empty unless it looks like one, since the CA wrote it."""
    named = (
        problem.identifier,
        *(sub.identifier for sub in problem.subproblems),
        subject_of(problem),
    )
    return next((name for name in named if _HOSTNAME.fullmatch(name)), "")


def _kind(problem: CaProblem) -> str:
    """The type that helps most, since some CAs use one type for different things."""
    detail = problem.detail.lower()
    if _is_limit(problem) and any(words in detail for words in _PAUSED):
        return "paused"
    if problem.type == "connection" and any(words in detail for words in _NOT_RESOLVED):
        return "dns"
    return problem.type


def _is_limit(problem: CaProblem) -> bool:
    """Whether the text is the CA's alone.

    That of a failed validation quotes whatever answers on port 80, so nothing is read out of it.
    """
    return problem.type == "rateLimited" or problem.status in {429, 503}


def _unpause_step(problem: CaProblem) -> str:
    """The CA's own page is the only way out, so its address is told as it is, if it is one."""
    found = _LINK.search(problem.detail)
    if found is None:
        return "Follow the CA's instructions in the technical detail."
    return f"Open {found[0].rstrip('.,;:!?)')} in a browser, and end the pause there."


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
    problem = _first(problem)
    detail = problem.detail.lower()
    if is_passing(problem):
        scope = Scope.CA
    else:
        scope = _limited(detail) if _is_limit(problem) else Scope.IDENTIFIER_SET
    needs_subject = scope in {Scope.REGISTERED_DOMAIN, Scope.IDENTIFIER}
    return Scope.IDENTIFIER_SET if needs_subject and not subject_of(problem) else scope


def _limited(detail: str) -> Scope:
    """Which of Let's Encrypt's limits the words are about."""
    if any(words in detail for words in ("exact set of", "duplicate certificate")):
        return Scope.IDENTIFIER_SET
    if "failed authorizations" in detail or any(words in detail for words in _PAUSED):
        return Scope.IDENTIFIER
    if "already issued for" in detail:
        return Scope.REGISTERED_DOMAIN
    # Without an account nothing can be ordered, so its registration counts like the account.
    if any(
        words in detail
        for words in ("from this account", "pending authorizations", "new registrations")
    ):
        return Scope.ACCOUNT
    return Scope.CA if "service busy" in detail else Scope.IDENTIFIER_SET


def subject_of(problem: CaProblem) -> str:
    """The domain or identifier that a limit is about, in lower case; else empty."""
    problem = _first(problem)
    for found in _SUBJECT.finditer(problem.detail if _is_limit(problem) else ""):
        name = next(group for group in found.groups() if group).lower()
        if _HOSTNAME.fullmatch(name) and "." in name:
            return name
    return ""


def retry_moment(problem: CaProblem, now: datetime.datetime) -> datetime.datetime | None:
    """When the CA may be asked again: the header, or else the words "retry after" in its text.

    At most a day from ``now`` and never before it. None when the CA does not say.
    """
    first = _first(problem)
    moment = problem.retry_after
    if moment is None and _is_limit(first):
        moment = _moment_in(first.detail)
    return min(max(moment, now), now + LONGEST_RETRY_AFTER) if moment else None


def _moment_in(detail: str) -> datetime.datetime | None:
    found = _MOMENT.search(detail)
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


def quote(problem: CaProblem) -> str:
    """The CA's own words, for the technical detail."""
    lines = [f"{problem.type or 'unknown error'}: {problem.detail}".strip()]
    if problem.retry_after:
        lines.append(f"Try again after {problem.retry_after:%Y-%m-%d %H:%M:%S} UTC.")
    lines.extend(
        f"{sub.identifier or 'subproblem'}: {sub.type}: {sub.detail}" for sub in problem.subproblems
    )
    return legible("\n".join(lines), LONGEST_QUOTE)


def legible(text: str, longest: int) -> str:
    """Hostile text as it can be stored, printed and shown: no control characters but line breaks.

    What is replaced includes lone surrogates and zero bytes, which databases refuse, and the
    characters that turn the direction of writing.
    """
    return "".join(
        character if character.isprintable() or character == "\n" else "\N{REPLACEMENT CHARACTER}"
        for character in text[:longest]
    )


def kebab(camel: str) -> str:
    """``rateLimited`` as ``rate-limited``; anything but ASCII letters is dropped.

    A run of capitals counts as one word, so that ``badCSR`` becomes ``bad-csr``.
    """
    result = ""
    previous_is_lower = False
    for character in camel[:64]:
        if not (character.isascii() and character.isalpha()):
            continue
        if character.isupper() and previous_is_lower:
            result += "-"
        result += character.lower()
        previous_is_lower = character.islower()
    return result


def unreachable(detail: str, directory_url: str) -> Problem:
    """The CA could not be asked at all: no connection, no TLS, no sensible answer."""
    return Problem(
        code="ca-unreachable",
        severity=Severity.ERROR,
        explanation=f"The CA at {directory_url} cannot be reached from this machine.",
        remedy=(
            "Check that this machine may open HTTPS connections (TCP port 443) to the internet.",
            "Check the machine's DNS resolver and clock.",
            TRY_AGAIN,
        ),
        detail=legible(detail, LONGEST_QUOTE),
        retryable=True,
    )


def invalid_answer(detail: str) -> Problem:
    """The CA answered something that is not ACME."""
    return Problem(
        code="ca-answer-invalid",
        severity=Severity.ERROR,
        explanation="The CA's answer cannot be understood or cannot be trusted.",
        remedy=(
            "Check that no proxy or firewall changes this machine's HTTPS traffic.",
            TRY_AGAIN,
        ),
        detail=legible(detail, LONGEST_QUOTE),
        retryable=True,
    )


def unusable_certificate(problem: Problem) -> Problem:
    """The CA has answered with a certificate that is not the one that was ordered.

    ``problem`` says what is wrong with the chain. The certificate in use is not touched.
    """
    reason = legible(problem.explanation, LONGEST_SENTENCE).replace("\n", " ")
    return Problem(
        code="ca-certificate-unusable",
        severity=Severity.ERROR,
        explanation=(
            f"The CA issued a certificate that cannot be used: {reason[:1].lower()}{reason[1:]}"
        ),
        remedy=(
            "Nothing has been put to use, and another certificate is ordered by itself.",
            "If it happens again, check the configured directory address and this machine's clock.",
        ),
        detail=legible(f"{problem.code}: {problem.detail}", LONGEST_QUOTE),
        retryable=True,
    )
