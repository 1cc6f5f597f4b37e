"""Which finding of the preflight has already named what a CA complains about."""

from __future__ import annotations

import re
from collections.abc import Iterable

from certificates.policy.acme_kinds import Family
from certificates.policy.acme_words import Values
from challenges.problems import Problem, Severity

# By the beginnings of the findings' codes, the likeliest cause first.
_PORT = ("challenge-", "public-port-", "scenario-")
_RECORDS = ("ipv6-", "address-", "addresses-", "dns-", "hostname-")
# What only this machine or its own resolvers say, or could not find out, is nothing that a CA sees.
_OWN_VIEW = ("dns-local-", "dns-timeout", "challenge-port-not-seen")
_REACHING = (*_PORT, *_RECORDS)
_CAUSES: dict[Family, tuple[str, ...]] = {
    Family.CONNECT: _REACHING,
    Family.EITHER: _REACHING,
    Family.ANSWER: _REACHING,
    Family.REDIRECT: ("public-port-redirects", *_REACHING),
    Family.CONTENT: ("public-port-answers-otherwise", *_REACHING),
    Family.DNS: _RECORDS,
    Family.CAA: ("caa-", "dns-"),
}


def named_cause(
    findings: Iterable[Problem],
    family: Family,
    name: str,
    values: Values,
    *,
    has_arrived: bool,
    was_ipv4: bool = False,
) -> Problem | None:
    """The finding that explains the failure, or None.

    ``has_arrived``: requests came from outside as far as this machine, so a way that is closed is
    not the cause, whatever it looked like from inside. ``was_ipv4``: the CA failed over IPv4, so
    it is not the fault of IPv6.
    """
    candidates = [
        finding
        for finding in findings
        if finding.severity is not Severity.INFO
        and not finding.code.startswith(_OWN_VIEW)
        and _is_about(finding, name, values)
    ]
    for beginning in _CAUSES.get(family, ()):
        if (has_arrived and beginning in _PORT) or (was_ipv4 and beginning == "ipv6-"):
            continue
        found = [finding for finding in candidates if finding.code.startswith(beginning)]
        if found:
            return max(found, key=lambda finding: finding.severity.rank)
    return None


def replaces_opening(cause: Problem) -> bool:
    """Whether its remedy says in its own words how port 80 is to be opened."""
    return cause.code.startswith(_PORT)


def replaces_record(cause: Problem) -> bool:
    """Whether its remedy says in its own words which DNS record the name needs."""
    return cause.code.startswith(_RECORDS)


def _is_about(finding: Problem, name: str, values: Values) -> bool:
    """Whether it names this name, or none of the gateway's others."""
    said = " ".join((finding.explanation, *finding.remedy))
    others = {values.hostname, *values.names} - {name}
    return _names(said, name) or not any(_names(said, other) for other in others)


def _names(text: str, name: str) -> bool:
    """Whether the whole name stands in the text, and not only as a part of a longer one."""
    whole = rf"(?<![A-Za-z0-9.-]){re.escape(name)}(?![A-Za-z0-9-]|\.[A-Za-z0-9])"
    return re.search(whole, text, re.IGNORECASE) is not None
