"""What the DNS says about the names: asks all servers at the same time, then judges.

The public servers stand for what a CA sees; this machine's own resolvers are only compared.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from challenges.preflight import (
    aliases,
    authoritative,
    caa,
    interception,
    resolver_findings,
    resolvers,
    second_opinion,
    split_horizon,
)
from challenges.preflight.found import CaaReplies, Found
from challenges.preflight.lookups import Lookup
from challenges.preflight.report import Report
from challenges.preflight.resolvers import Server
from challenges.preflight.resolving import ADDRESS_KINDS, Failure, Question, Reply, ask
from challenges.preflight.surroundings import Surroundings

SECONDS = 10.0
# Seconds. The rest is for following aliases by hand and, before anything is called wrong, for a
# second opinion.
FIRST_ROUND = 6.0
Replies = Mapping[Question, Reply]


def check(names: Sequence[str], surroundings: Surroundings) -> tuple[Report, tuple[Lookup, ...]]:
    """What is wrong, what is known to be right, and the look-ups in the order of ``names``.

    Takes at most about 10 seconds, also for 100 names. Never raises for what servers do.
    """
    deadline = time.monotonic() + SECONDS
    public = resolvers.public(surroundings)
    system = resolvers.system(surroundings, public)
    replies = ask(_questions(names, public, system), seconds=FIRST_ROUND)
    asked = _lookups(names, public, replies)
    # However slow they are, the other names shall have their second opinion.
    until = deadline - authoritative.SECONDS - interception.SECONDS
    chains = aliases.follow(_unresolved(asked), public, until)
    found = Found(asked, chains, {name: _caa_replies(name, public, replies) for name in names})
    report, found = _judged(found, public, surroundings, deadline)
    if system:
        local = [_first_known(lookup) for lookup in _lookups(names, system, replies)]
        report += split_horizon.check(local, found.lookups, surroundings)
    return report, found.lookups


def _judged(
    found: Found, public: Sequence[Server], surroundings: Surroundings, deadline: float
) -> tuple[Report, Found]:
    """What it means; nothing fatal is said without a second opinion."""
    of_servers = Report(tuple(resolver_findings.check(found.lookups, surroundings)))
    report = of_servers + found.report(surroundings)
    if not report.is_fatal:
        return report, found
    if _is_intercepted(found.lookups[0].name, public, deadline):
        return interception.doubted(report, public), found
    left = deadline - time.monotonic()
    better = second_opinion.take(found, public, surroundings, seconds=left)
    return of_servers + better.report(surroundings), better


def _is_intercepted(name: str, public: Sequence[Server], deadline: float) -> bool:
    seconds = min(interception.SECONDS, deadline - time.monotonic())
    return interception.is_possible(public) and interception.happens(name, seconds=seconds)


def _questions(
    names: Sequence[str], public: Sequence[Server], system: Sequence[Server]
) -> list[Question]:
    """Addresses first, because each server is asked in this order."""
    steps = dict.fromkeys(step for name in names for step in caa.climb(name))
    return [
        *(
            Question(server, name, kind)
            for name in names
            for kind in ADDRESS_KINDS
            for server in (*public, *system)
        ),
        *(Question(server, step, "CAA") for step in steps for server in public),
    ]


def _lookups(names: Sequence[str], asked: Sequence[Server], replies: Replies) -> tuple[Lookup, ...]:
    return tuple(
        Lookup(
            name,
            tuple(
                replies[Question(server, name, kind)] for server in asked for kind in ADDRESS_KINDS
            ),
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


def _caa_replies(name: str, public: Sequence[Server], replies: Replies) -> CaaReplies:
    return {
        server.shown: {step: replies[Question(server, step, "CAA")] for step in caa.climb(name)}
        for server in public
    }
