"""Before a name is called wrong its domain's own name servers are asked, and have the last word."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

from challenges.preflight import addresses, authoritative, caa, caa_findings, stale_answers
from challenges.preflight.found import Found
from challenges.preflight.lookups import Lookup
from challenges.preflight.resolvers import Server
from challenges.preflight.resolving import ADDRESS_KINDS
from challenges.preflight.stale_answers import OwnReplies
from challenges.preflight.surroundings import Surroundings
from challenges.problems import Problem, Severity


def take(
    found: Found, public: Sequence[Server], surroundings: Surroundings, *, seconds: float
) -> Found:
    """The same, corrected where the public servers only remember; takes at most ``seconds``.

    Unchanged as far as the domains' own servers cannot be found or asked, or say the same.
    """
    fatal = _fatal(found, surroundings)
    refused = caa_findings.refused(found.said, surroundings)
    names = [one.name for one in found.lookups if one.name in {*fatal, *refused}]
    names = names[: authoritative.MOST_NAMES]
    known = {view.server for lookup in found.lookups for view in lookup.views if view.is_known}
    steps = dict.fromkeys(step for name in names for step in authoritative.steps(name))
    own = authoritative.replies(
        [
            *((name, kind) for name in names if name in fatal for kind in ADDRESS_KINDS),
            *((step, "CAA") for step in steps),
        ],
        # One that is silent would only hold up the others.
        [server for server in public if server.shown in known],
        surroundings,
        seconds=min(authoritative.SECONDS, seconds),
    )
    return _corrected(found, own, fatal, names, surroundings)


def _fatal(found: Found, surroundings: Surroundings) -> set[str]:
    return {
        lookup.name
        for lookup in found.lookups
        for problem in found.of_name(lookup, surroundings)
        if problem.severity is Severity.ERROR and problem.code in stale_answers.CODES
    }


def _corrected(
    found: Found,
    own: OwnReplies,
    fatal: Collection[str],
    names: Collection[str],
    surroundings: Surroundings,
) -> Found:
    lookups = tuple(
        stale_answers.judge(lookup, own, surroundings) if lookup.name in fatal else lookup
        for lookup in found.lookups
    )
    of_names = {
        name: stale_answers.caa_replies(caa.climb(name), found.caa[name], own) for name in names
    }
    now = dataclasses.replace(found, lookups=lookups, caa={**found.caa, **of_names})
    problems = [
        stale_answers.old_address(before, after, stale_answers.own_lookup(after.name, own))
        for before, after in zip(found.lookups, lookups, strict=True)
        if _is_freed(before, after, surroundings)
    ]
    problems += _old_caa(found, now, surroundings)
    return dataclasses.replace(now, stale=tuple(problems))


def _is_freed(before: Lookup, after: Lookup, surroundings: Surroundings) -> bool:
    return after is not before and bool(addresses.reachable(after, surroundings))


def _old_caa(before: Found, now: Found, surroundings: Surroundings) -> list[Problem]:
    said, newly_said = before.said, now.said
    still = caa_findings.refused(newly_said, surroundings)
    freed = [name for name in caa_findings.refused(said, surroundings) if name not in still]
    if not freed:
        return []
    old, new = ([each[name] for name in freed] for each in (said, newly_said))
    return [stale_answers.old_caa(freed, old, new)]
