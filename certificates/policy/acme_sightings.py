"""What the visits to the challenge port add to a CA's word on a validation that has failed.

A claim is made only where the visits prove it; else there is none, and the CA's word stands alone.
"""

from __future__ import annotations

import dataclasses

from certificates.policy import evidence as visits
from certificates.policy.acme_kinds import Family, Kind
from certificates.policy.acme_steps import (
    ADDRESS_OF_NETWORK,
    ALL_SOURCES,
    CORRECT_AAAA,
    DNS_RECORD,
    NAME_SERVERS,
    NO_REDIRECT,
    NOTHING_BETWEEN,
    ONE_SERVER,
    OPEN_PORT,
    OWN_FIREWALL,
    PROVIDER,
    TRY_AGAIN,
    WAY_BACK,
)
from certificates.policy.acme_words import Values
from certificates.policy.evidence import Evidence, came, families
from certificates.policy.validation_details import Reading

# What fails there fails before anybody is visited.
_UNVISITED = frozenset({Family.DNS, Family.CAA, Family.NONE})
_WITHOUT_DATABASE = 503


@dataclasses.dataclass(frozen=True)
class Sighting:
    """A sentence to be added, and the steps that take the place of the plain ones.

    Both have places to be filled in. ``has_arrived``: something from outside came to this machine.
    """

    sentence: str
    remedy: tuple[str, ...]
    has_arrived: bool = False


def sighting(
    reading: Reading,
    family: Family,
    evidence: Evidence | None,
    name: str,
    names: tuple[str, ...],
) -> Sighting | None:
    """What the visits for this name prove, or None when they prove nothing.

    ``names`` are all names of the order, whose visits must not be mixed up; empty if not known.
    """
    if evidence is None or family in _UNVISITED:
        return None
    seen = evidence.for_name(name, names)
    if seen is None:
        return None
    if seen.answered:
        return _answered(reading, family, seen)
    if seen.put_off:
        return _put_off(seen)
    # What a challenge service without its database answers, whatever it could write down.
    if reading.status == _WITHOUT_DATABASE:
        return None
    if seen.arrived:
        return _hung_up(seen) if seen.arrived == seen.hung_up else _unanswered(seen)
    # A primary perspective that succeeded was answered by somebody, so a log without it has a gap
    # or another device answers as we would; and behind what came from this machine itself a proxy
    # may hide the CA.
    if not seen.was_watched or reading.is_secondary or seen.own:
        return None
    if evidence.answered:
        return _other_names(evidence)
    # Who is inside anyway says nothing about the way in.
    if any(not visits.is_inside(visit.address) for visit in seen.strangers):
        return _strangers(family, seen)
    return _nothing(reading, family)


def _nothing(reading: Reading, family: Family) -> Sighting:
    """No request for any token came from outside."""
    none = "No request reached port {port} of this machine in that time: "
    if family in {Family.CONTENT, Family.REDIRECT}:
        return Sighting(
            f"{none}it was another device that answered, and not this gateway.",
            (*_redirecting(family), OPEN_PORT, DNS_RECORD, ADDRESS_OF_NETWORK, TRY_AGAIN),
        )
    if family is Family.ANSWER:
        return Sighting(
            f"{none}another device took the connection, or it was cut off before the request came.",
            (OPEN_PORT, NOTHING_BETWEEN, DNS_RECORD, TRY_AGAIN),
        )
    if reading.kind is Kind.CONNECTION_REFUSED:
        return Sighting(
            f"{none}it was refused before it came there.",
            (OPEN_PORT, DNS_RECORD, OWN_FIREWALL, TRY_AGAIN),
        )
    return Sighting(
        f"{none}nothing from outside has come through.",
        (OPEN_PORT, OWN_FIREWALL, PROVIDER, DNS_RECORD, TRY_AGAIN),
    )


def _redirecting(family: Family) -> tuple[str, ...]:
    return (NO_REDIRECT,) if family is Family.REDIRECT else ()


def _other_names(evidence: Evidence) -> Sighting:
    """The way is open, but nobody came for this name."""
    return Sighting(
        f"{came(evidence.answered, 'request')} here for other names of this gateway and got the "
        "right answer, but none for {name}: its DNS record probably leads elsewhere.",
        (DNS_RECORD, ADDRESS_OF_NETWORK, ALL_SOURCES, TRY_AGAIN),
        has_arrived=True,
    )


def _strangers(family: Family, evidence: Evidence) -> Sighting:
    """The port can be reached from somewhere, but nobody asked for this order's tokens."""
    told = f"{came(evidence.strangers, 'request')} at port {{port}} of this machine in that time"
    other = (
        "Find out whether another ACME client or another console asks for certificates for "
        "{name}, and stop it: its tokens are not known here."
    )
    steps = (DNS_RECORD,) if family is Family.CONTENT else (ALL_SOURCES, DNS_RECORD)
    return Sighting(
        f"{told}, but for tokens that nobody has published here, and none for this certificate.",
        (*_redirecting(family), *steps, other, TRY_AGAIN),
        has_arrived=True,
    )


def _unanswered(evidence: Evidence) -> Sighting:
    """They came before the token was published, or after it was withdrawn."""
    return Sighting(
        f"{came(evidence.arrived, 'request')} here, but when the token was not published, so the "
        "answer was that there is none.",
        (
            (
                "Check that all challenge services of this console use the same database, and "
                "that their clocks are right."
            ),
            TRY_AGAIN,
        ),
        has_arrived=True,
    )


def _put_off(evidence: Evidence) -> Sighting:
    """They came while the challenge service could not look the token up."""
    return Sighting(
        f"{came(evidence.put_off, 'request')} here, but could not be answered: the database was "
        "away.",
        (
            (
                "Check that the database runs, and that every challenge service can reach it; its "
                "log says since when it could not."
            ),
            TRY_AGAIN,
        ),
        has_arrived=True,
    )


def _hung_up(evidence: Evidence) -> Sighting:
    """The way in is open; the connection was cut before the answer."""
    return Sighting(
        f"{came(evidence.arrived, 'request')} here, but the connection was cut before the answer "
        "could be sent.",
        (NOTHING_BETWEEN, *WAY_BACK, TRY_AGAIN),
        has_arrived=True,
    )


def _answered(reading: Reading, family: Family, evidence: Evidence) -> Sighting:
    told = f"{came(evidence.answered, 'request')} here and got the right answer"
    if _is_ipv6_only_elsewhere(reading, evidence):
        return Sighting(
            f"{told}, all over IPv4. {{ca}} used the IPv6 address {{address}}, and over IPv6 "
            "nothing came.",
            (CORRECT_AAAA, TRY_AGAIN),
            has_arrived=True,
        )
    if family in {Family.CONTENT, Family.REDIRECT}:
        return Sighting(
            f"{told}, so {{ca}} also reached another server under this name, or a device on the "
            "way answers in place of this gateway.",
            (*_redirecting(family), ONE_SERVER, NOTHING_BETWEEN, TRY_AGAIN),
            has_arrived=True,
        )
    if family is Family.ANSWER:
        return Sighting(
            f"{told}, so at least a part of the answers may have been lost on the way back.",
            (NOTHING_BETWEEN, *WAY_BACK, ALL_SOURCES, TRY_AGAIN),
            has_arrived=True,
        )
    if family is Family.EITHER:
        return Sighting(
            f"{told}, but not every check of {{ca}} succeeded.",
            (ALL_SOURCES, NOTHING_BETWEEN, *WAY_BACK, TRY_AGAIN),
            has_arrived=True,
        )
    return Sighting(
        f"{told}, so the way is open for some of the places that {{ca}} checks from, and closed "
        "for others.",
        (ALL_SOURCES, ONE_SERVER, PROVIDER, TRY_AGAIN),
        has_arrived=True,
    )


def _is_ipv6_only_elsewhere(reading: Reading, evidence: Evidence) -> bool:
    address = visits.parsed(reading.address)
    return (
        address is not None
        and address.version == 6
        and not reading.is_redirected
        and families(evidence.arrived) == {4}
    )


@dataclasses.dataclass(frozen=True)
class Remark:
    """A sentence to be added, and a step to be put first. Both have places to be filled in."""

    sentence: str
    step: str


def remarks(
    reading: Reading, family: Family, values: Values, seen: Sighting | None
) -> list[Remark]:
    """What the CA's words say besides: from where it came, and to which address it went."""
    found = []
    if reading.is_secondary and family is not Family.NONE:
        is_unvisited = family in _UNVISITED
        found.append(
            Remark(
                "The check from the main place of {ca} succeeded; from other places in the world "
                "it did not.",
                NAME_SERVERS if is_unvisited else ALL_SOURCES,
            )
        )
    address = visits.parsed(reading.address)
    if address is None or reading.is_redirected or family in _UNVISITED:
        return found
    known = {visits.parsed(each) for each in values.addresses}
    if known and address not in known:
        found.append(
            Remark(
                "When the preflight looked, {name} had another address ({addresses}): the DNS "
                "record has been changed, or the DNS answers differently elsewhere.",
                ONE_SERVER,
            )
        )
    elif address.version == 6 and (seen is None or not seen.has_arrived):
        found.append(
            Remark("It used the IPv6 address, since it tries IPv6 before IPv4.", CORRECT_AAAA)
        )
    return found
