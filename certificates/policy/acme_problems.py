"""What a CA's error means for a mail administrator, and whether trying again can help.

The types are those of RFC 8555 §6.7, RFC 8738 and RFC 9773; the texts in ``detail`` are hostile
and are only ever quoted.
"""

from __future__ import annotations

import dataclasses
import datetime
import re

from challenges.problems import Problem, Severity

URN = "urn:ietf:params:acme:error:"
_HOSTNAME = re.compile(r"(\*\.)?[A-Za-z0-9_-][A-Za-z0-9._-]{0,252}")


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


@dataclasses.dataclass(frozen=True)
class _Meaning:
    explanation: str
    remedy: tuple[str, ...] = ()
    retryable: bool = False


TRY_AGAIN = "Then press Try again."
LATER = "Nothing is wrong here; wait and try again later."
DNS_RECORD = (
    "At your DNS provider, make the A or CNAME record of {name} point to the public IP address "
    "of this gateway, and remove AAAA records that lead elsewhere."
)

# Permanent ones stay wrong until somebody edits something; asking again only annoys the CA.
_MEANINGS: dict[str, _Meaning] = {
    "connection": _Meaning(
        "{ca} could not connect to {name} on TCP port 80.",
        (
            "{open_port}",
            "Check that no other firewall or provider blocks port 80.",
            DNS_RECORD,
            TRY_AGAIN,
        ),
        retryable=True,
    ),
    "unauthorized": _Meaning(
        "{ca} reached a server under {name}, but it was not this gateway that answered.",
        (
            "{open_port}",
            (
                "Check that the DNS record of {name} holds the address of this gateway's network "
                "and not that of a web host."
            ),
            TRY_AGAIN,
        ),
    ),
    "dns": _Meaning(
        "{ca} found no usable address for {name} in the public DNS.",
        (
            DNS_RECORD,
            "Wait until the change is visible everywhere (up to the record's TTL).",
            TRY_AGAIN,
        ),
        retryable=True,
    ),
    "caa": _Meaning(
        "A CAA record in the DNS forbids {ca} to issue certificates for {name}.",
        (
            (
                'At your DNS provider, add the record: {name} CAA 0 issue "letsencrypt.org", '
                "or remove the CAA records that name other CAs only."
            ),
            TRY_AGAIN,
        ),
    ),
    "incorrectResponse": _Meaning(
        "{ca} received an answer from {name} that is not the expected one.",
        ("{open_port}", "Check that no proxy or cache changes what port 80 answers.", TRY_AGAIN),
    ),
    "tls": _Meaning(
        "{ca} was led to an HTTPS server that did not answer properly.",
        ("Remove redirects from port 80 to HTTPS in front of this gateway.", TRY_AGAIN),
    ),
    "rateLimited": _Meaning(
        "{ca} has received too many requests and asks to wait.",
        ("Wait until the time that is given in the technical detail, then try again.",),
        retryable=True,
    ),
    "rejectedIdentifier": _Meaning(
        "{ca} does not issue certificates for {name} at all.",
        ("Choose another hostname.",),
    ),
    "unsupportedIdentifier": _Meaning(
        "{ca} does not support this kind of name: {name}.",
        ("Use a full host name such as mx.example.org.",),
    ),
    "malformed": _Meaning(
        "{ca} did not accept the request for {name}.",
        ("Check hostname and additional hostnames for mistakes.", TRY_AGAIN),
    ),
    "badCSR": _Meaning(
        "{ca} did not accept the certificate request.",
        ("Choose another key type in the gateway's settings.", TRY_AGAIN),
    ),
    "badPublicKey": _Meaning(
        "{ca} does not accept this kind of key.",
        ("Choose another key type in the gateway's settings.", TRY_AGAIN),
    ),
    "invalidContact": _Meaning(
        "{ca} does not accept the contact email.",
        ("Enter another contact email in the gateway's settings.", TRY_AGAIN),
    ),
    "unsupportedContact": _Meaning(
        "{ca} does not accept this kind of contact.",
        ("Enter a plain email address as contact email.", TRY_AGAIN),
    ),
    "externalAccountRequired": _Meaning(
        "This CA wants an account that was arranged beforehand.",
        ("Use Let's Encrypt, which needs no such account.",),
    ),
    "userActionRequired": _Meaning(
        "{ca} has new terms of service that must be agreed to first.",
        ("Open the gateway's settings, read the terms, agree and save.", TRY_AGAIN),
    ),
    "accountDoesNotExist": _Meaning(
        "{ca} does not know this console's account any more; a new one is registered.",
        (TRY_AGAIN,),
        retryable=True,
    ),
    "compound": _Meaning(
        "{ca} found several things wrong with the request for {name}.",
        ("Read the technical detail below.", TRY_AGAIN),
    ),
    "badSignatureAlgorithm": _Meaning(
        "{ca} does not accept the way in which this version signs its requests.",
        ("Update Gateway Admin.", TRY_AGAIN),
    ),
    "alreadyRevoked": _Meaning("The certificate has been revoked already."),
    "badRevocationReason": _Meaning("{ca} does not accept this reason for a revocation."),
    "alreadyReplaced": _Meaning(
        "{ca} has already issued a successor of the certificate in use.",
        (TRY_AGAIN,),
        retryable=True,
    ),
    "orderNotReady": _Meaning("{ca} was not ready to issue yet.", (LATER,), retryable=True),
    "badNonce": _Meaning(
        "{ca} kept refusing the request's anti-replay value.", (LATER,), retryable=True
    ),
    "serverInternal": _Meaning(
        "{ca} has an internal problem at the moment.", (LATER,), retryable=True
    ),
}
_NOT_RESOLVED = ("could not resolve", "no such host", "nxdomain", "no valid a records")
_UNKNOWN = _Meaning(
    "{ca} answered with an error that this version does not know.",
    ("Read the technical detail below.", TRY_AGAIN),
)


def explain(problem: CaProblem, surroundings: Surroundings) -> Problem:
    """The CA's error as a Problem, with this gateway's own values filled in.

    A compound error is explained by its first part, since what it is about is said there alone.
    """
    subject = problem
    if problem.type == "compound" and problem.subproblems:
        subject = problem.subproblems[0]
    kind = _kind(subject)
    meaning = _MEANINGS.get(kind)
    if meaning is None:
        meaning = _MEANINGS["serverInternal"] if problem.status >= 500 else _UNKNOWN
    words = {
        "ca": surroundings.ca_name,
        "name": _name(subject) or surroundings.hostname,
        "open_port": surroundings.open_port,
    }
    return Problem(
        code=f"acme-{kebab(kind) or 'unknown'}",
        severity=Severity.ERROR,
        explanation=meaning.explanation.format(**words),
        remedy=tuple(step.format(**words) for step in meaning.remedy),
        detail=quote(problem),
        retryable=meaning.retryable,
    )


def _name(problem: CaProblem) -> str:
    """The name that the error is about; empty unless it looks like one, since the CA wrote it."""
    named = (problem.identifier, *(sub.identifier for sub in problem.subproblems))
    return next((name for name in named if _HOSTNAME.fullmatch(name)), "")


def _kind(problem: CaProblem) -> str:
    """The type that helps most: some CAs call a name without an address a failed connection."""
    detail = problem.detail.lower()
    if problem.type == "connection" and any(words in detail for words in _NOT_RESOLVED):
        return "dns"
    return problem.type


def is_passing(problem: CaProblem) -> bool:
    """Whether the same request may succeed soon: the CA's own trouble, not a verdict on ours."""
    return problem.status >= 500 or problem.type in {
        "badNonce",
        "orderNotReady",
        "serverInternal",
    }


def quote(problem: CaProblem) -> str:
    """The CA's own words, for the technical detail."""
    lines = [f"{problem.type or 'unknown error'}: {problem.detail}".strip()]
    if problem.retry_after:
        lines.append(f"Try again after {problem.retry_after:%Y-%m-%d %H:%M:%S} UTC.")
    lines.extend(
        f"{sub.identifier or 'subproblem'}: {sub.type}: {sub.detail}" for sub in problem.subproblems
    )
    return "\n".join(lines)


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
        detail=detail,
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
        detail=detail,
        retryable=True,
    )
