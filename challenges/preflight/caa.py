"""Whether CAA records let our CA certify a name (RFC 8659, RFC 8657). Pure: asks nobody.

Reads them as Let's Encrypt does, letter by letter; where a milder reading would come to another
result, the spelling is what is wrong.
"""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Collection, Mapping, Sequence

from challenges.preflight.resolving import Failure, Property, Reply

METHOD = "http-01"
# RFC 8659 §4.3 and §4.4, RFC 9495. What else is critical forbids; Let's Encrypt takes the bit of
# value 1 for the critical one too, because so many zones have it wrong.
_KNOWN_TAGS = frozenset({"issue", "issuewild", "iodef", "issuemail"})
_CRITICAL = 128 | 1
_PARAMETER_TAG = re.compile(r"[A-Za-z0-9]*")
_PARAMETER_VALUE = re.compile(r"[\x21-\x3a\x3c-\x7e]*")
_SPACE = " \t"


class Verdict(enum.Enum):
    """What a relevant set of CAA records means for us."""

    UNRESTRICTED = "no record restricts who may issue"
    ALLOWED = "our CA may issue"
    OTHERS_ONLY = "only other CAs may issue"
    CRITICAL = "a critical record that no CA understands"
    MALFORMED = "our CA is named, but the record is malformed"
    METHOD = "our CA may not use HTTP-01"
    ACCOUNT = "only accounts of others may issue"
    ACCOUNT_PARTLY = "only some of our accounts may issue"
    ACCOUNT_UNKNOWN = "one account may issue, and we do not know ours"
    SPELLING = "allowed or not, depending on capital letters"


FORBIDDING = frozenset(
    {
        Verdict.OTHERS_ONLY,
        Verdict.CRITICAL,
        Verdict.MALFORMED,
        Verdict.METHOD,
        Verdict.ACCOUNT,
    }
)
GOOD = frozenset({Verdict.UNRESTRICTED, Verdict.ALLOWED})


@dataclasses.dataclass(frozen=True)
class Relevant:
    """The records that count for a name, and the name that has them; or what hides them."""

    at: str = ""
    properties: tuple[Property, ...] = ()
    failure: Failure | None = None
    detail: str = ""


@dataclasses.dataclass(frozen=True)
class _Permit:
    """The value of an issue property (RFC 8659 §4.2)."""

    issuer: str
    parameters: tuple[tuple[str, str], ...]

    def values(self, tag: str) -> list[str]:
        return [value for each, value in self.parameters if each == tag]


def climb(name: str) -> tuple[str, ...]:
    """The names whose records may count for ``name``, the first that has any (RFC 8659 §3)."""
    labels = name.split(".")
    return tuple(".".join(labels[number:]) for number in range(len(labels)))


def relevant(name: str, replies: Mapping[str, Reply]) -> Relevant:
    """The first records on the way up; a failure before them could hide others.

    An alias counts with the records of its target alone, never with those above the target.
    """
    for step in climb(name):
        reply = replies.get(step)
        if reply is None:
            continue
        if reply.properties:
            return Relevant(step, reply.properties, detail=reply.detail)
        if reply.failure not in {None, Failure.NO_SUCH_NAME}:
            return Relevant(step, failure=reply.failure, detail=reply.detail)
    return Relevant()


def judge(
    properties: Sequence[Property], identities: Collection[str], accounts: Collection[str] = ()
) -> Verdict:
    """What the records mean for a CA of these names and for these accounts' URIs."""
    strict = _judge(properties, frozenset(identities), frozenset(accounts))
    mild = _judge(
        [_folded(each) for each in properties],
        frozenset(identity.lower() for identity in identities),
        frozenset(account.lower() for account in accounts),
    )
    return strict if (strict in FORBIDDING) == (mild in FORBIDDING) else Verdict.SPELLING


def _judge(
    properties: Sequence[Property], identities: frozenset[str], accounts: frozenset[str]
) -> Verdict:
    if any(each.flags & _CRITICAL and each.tag.lower() not in _KNOWN_TAGS for each in properties):
        return Verdict.CRITICAL
    values = [each.value for each in properties if each.tag.lower() == "issue"]
    if not values:
        return Verdict.UNRESTRICTED
    bound: set[str] = set()
    refusals = [_refusal(value, identities, bound) for value in values]
    if None in refusals:
        return Verdict.ALLOWED
    if bound:
        return _of_accounts(bound, accounts)
    order = (Verdict.ACCOUNT, Verdict.METHOD, Verdict.MALFORMED)
    return next((verdict for verdict in order if verdict in refusals), Verdict.OTHERS_ONLY)


def _refusal(value: str, identities: frozenset[str], bound: set[str]) -> Verdict | None:
    """Why one record does not let us in, None if it does; adds the account that it asks for."""
    permit = _parsed(value)
    if permit is None:
        issuer = value.partition(";")[0].strip(_SPACE)
        return Verdict.MALFORMED if issuer in identities else Verdict.OTHERS_ONLY
    if permit.issuer not in identities:
        return Verdict.OTHERS_ONLY
    methods = permit.values("validationmethods")
    if len(methods) > 1 or (methods and METHOD not in methods[0].split(",")):
        return Verdict.METHOD
    uris = permit.values("accounturi")
    if not uris:
        return None
    if len(uris) == 1:
        bound.add(uris[0])
    return Verdict.ACCOUNT  # two of them can never be satisfied (RFC 8657 §3)


def _of_accounts(bound: set[str], accounts: frozenset[str]) -> Verdict:
    if not accounts:
        return Verdict.ACCOUNT_UNKNOWN
    if accounts <= bound:
        return Verdict.ALLOWED
    return Verdict.ACCOUNT_PARTLY if accounts & bound else Verdict.ACCOUNT


def _parsed(value: str) -> _Permit | None:
    """The parts of an issue value; None if it is malformed, which lets nobody in."""
    issuer, *rest = (part.strip(_SPACE) for part in value.split(";"))
    if rest == [""]:
        rest = []
    parameters = []
    for part in rest:
        tag, equals, content = part.partition("=")
        tag, content = tag.strip(_SPACE), content.strip(_SPACE)
        if not (equals and _PARAMETER_TAG.fullmatch(tag) and _PARAMETER_VALUE.fullmatch(content)):
            return None
        parameters.append((tag, content))
    return _Permit(issuer, tuple(parameters))


def _folded(each: Property) -> Property:
    """In lower case, and without the last dot of the CA's name."""
    issuer, semicolon, rest = each.value.lower().partition(";")
    return Property(each.flags, each.tag, issuer.rstrip(_SPACE).rstrip(".") + semicolon + rest)
