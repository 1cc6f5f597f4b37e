"""What the DNS says about the names: asks all servers at the same time, then judges.

The public servers stand for what a CA sees; this machine's own resolvers are only compared.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from django.utils.translation import gettext as _

from challenges.preflight import (
    addresses,
    aliases,
    caa,
    caa_findings,
    dns_servers,
    interception,
    public_dns,
    servers,
    split_horizon,
    zone,
)
from challenges.preflight.lookups import Lookup
from challenges.preflight.report import Established, Fact, Report
from challenges.preflight.resolving import Failure, Question, Reply, ask
from challenges.preflight.servers import Server
from challenges.preflight.surroundings import Surroundings
from challenges.problems import Severity

__all__ = ["Failure", "Lookup", "Reply", "check"]

SECONDS = 8.0
FIRST_ROUND = 6.0  # seconds; the rest is for following aliases by hand
_TYPES = ("A", "AAAA")
Replies = Mapping[Question, Reply]


def check(names: Sequence[str], surroundings: Surroundings) -> tuple[Report, tuple[Lookup, ...]]:
    """What is wrong, what is known to be right, and the look-ups in the order of ``names``.

    Takes at most about 10 seconds, also for 100 names. Never raises for what servers do.
    """
    deadline = time.monotonic() + SECONDS
    public, system = servers.public(surroundings), servers.system(surroundings)
    replies = ask(_questions(names, public, system), seconds=FIRST_ROUND)
    lookups = _lookups(names, public, replies)
    chains = aliases.follow(_unresolved(lookups), public, deadline)
    report = _of_records(lookups, chains, surroundings)
    report += _of_caa(lookups, public, replies, surroundings)
    if system:
        local = [_first_known(lookup) for lookup in _lookups(names, system, replies)]
        report += split_horizon.check(local, lookups, surroundings)
    if report.is_fatal and _is_intercepted(names, public, deadline):
        report = interception.doubted(report, public)
    return report, lookups


def _is_intercepted(names: Sequence[str], public: Sequence[Server], deadline: float) -> bool:
    seconds = min(interception.SECONDS, deadline - time.monotonic())
    return interception.is_possible(public) and interception.happens(names[0], seconds=seconds)


def _questions(
    names: Sequence[str], public: Sequence[Server], system: Sequence[Server]
) -> list[Question]:
    """Addresses first, because each server is asked in this order."""
    steps = dict.fromkeys(step for name in names for step in caa.climb(name))
    return [
        *(
            Question(server, name, kind)
            for name in names
            for kind in _TYPES
            for server in (*public, *system)
        ),
        *(Question(server, step, "CAA") for step in steps for server in public),
    ]


def _lookups(names: Sequence[str], asked: Sequence[Server], replies: Replies) -> tuple[Lookup, ...]:
    return tuple(
        Lookup(
            name,
            tuple(replies[Question(server, name, kind)] for server in asked for kind in _TYPES),
        )
        for name in names
    )


def _first_known(lookup: Lookup) -> Lookup:
    """What the first resolver says that says anything, as the machine itself would take it."""
    views = lookup.views
    return next((view for view in views if view.is_known), views[0])


def _unresolved(lookups: Sequence[Lookup]) -> list[str]:
    """The names that no server resolves, at least one because it gave up."""
    return [
        lookup.name
        for lookup in lookups
        if not lookup.addresses and any(view.failure is Failure.BROKEN for view in lookup.views)
    ]


def _of_records(
    lookups: Sequence[Lookup], chains: Mapping[str, tuple[str, ...]], surroundings: Surroundings
) -> Report:
    findings = dns_servers.check(lookups, surroundings)
    about_names = []
    for lookup in lookups:
        if any(view.is_known for view in lookup.views):
            problem = public_dns.judge(lookup, surroundings, chains.get(lookup.name, ()))
            about_names += [problem] if problem else []
            about_names += addresses.judge(lookup, surroundings)
    is_right = (
        bool(lookups)
        and all(addresses.reachable(lookup, surroundings) for lookup in lookups)
        and all(finding.severity is Severity.INFO for finding in about_names)
    )
    established = (Established(Fact.DNS_PUBLIC, _right(lookups)),) if is_right else ()
    return Report((*findings, *about_names), established)


def _right(lookups: Sequence[Lookup]) -> str:
    said = [
        _("%(name)s has the address %(addresses)s")
        % {"name": lookup.name, "addresses": ", ".join(map(str, lookup.addresses))}
        for lookup in lookups
    ]
    return _("In the public DNS %(said)s.") % {"said": zone.names(said)}


def _of_caa(
    lookups: Sequence[Lookup],
    public: Sequence[Server],
    replies: Replies,
    surroundings: Surroundings,
) -> Report:
    """Of the names that have an address: of the others there is enough to say already."""
    said = {
        lookup.name: [
            {step: replies[Question(server, step, "CAA")] for step in caa.climb(lookup.name)}
            for server in public
            if any(view.addresses and view.server == server.shown for view in lookup.views)
        ]
        for lookup in lookups
        if lookup.addresses
    }
    return caa_findings.check(said, surroundings)
