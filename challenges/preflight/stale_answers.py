"""What the public DNS servers only remember: the names' own servers say otherwise by now.

Pressed once before a record is made and once after it, a preflight has itself taught the public
servers that there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from challenges.domains import registered_domain
from challenges.preflight import addresses, zone
from challenges.preflight.caa_findings import Said
from challenges.preflight.found import CaaReplies
from challenges.preflight.lookups import Lookup
from challenges.preflight.resolving import ADDRESS_KINDS, Reply
from challenges.preflight.surroundings import Surroundings
from challenges.problems import Problem, Severity

# The errors that a change in the zone takes away, and a memory keeps.
CODES = frozenset(
    {
        "dns-no-such-name",
        "dns-no-address",
        "dns-alias-target-missing",
        "address-private",
        "address-carrier-nat",
        "address-reserved",
    }
)
OwnReplies = Mapping[tuple[str, str], Sequence[Reply]]


def judge(public: Lookup, own: OwnReplies, surroundings: Surroundings) -> Lookup:
    """The look-up to go by: that of the name's own servers where it says something else."""
    there = own_lookup(public.name, own)
    usable = [view for view in there.views if addresses.reachable(view, surroundings)]
    if usable:
        return Lookup(public.name, tuple(reply for view in usable for reply in view.replies))
    is_whole = {reply.kind for reply in there.replies} == set(ADDRESS_KINDS)
    return there if is_whole and _gist(there) != _gist(public) else public


def own_lookup(name: str, own: OwnReplies) -> Lookup:
    """What the name's own servers say of its addresses."""
    return Lookup(
        name, tuple(reply for kind in ADDRESS_KINDS for reply in own.get((name, kind), ()))
    )


def _gist(lookup: Lookup) -> tuple[object, ...]:
    return frozenset(lookup.addresses), lookup.failure, lookup.aliases


def caa_replies(steps: Sequence[str], public: CaaReplies, own: OwnReplies) -> CaaReplies:
    """What each of the own servers says of CAA records; of what they do not, the public ones."""
    by_server: dict[str, dict[str, Reply]] = {}
    for step in steps:
        for reply in own.get((step, "CAA"), ()):
            by_server.setdefault(reply.server, {})[step] = reply
    beside = next(iter(public.values()), {})
    return {server: {**beside, **replies} for server, replies in by_server.items()} or public


def old_address(public: Lookup, new: Lookup, all_own: Lookup) -> Problem:
    """The public servers are behind; so may some of the domain's own ones be."""
    late = [view.server for view in all_own.views if view.server not in _servers(new)]
    facts = {
        "name": public.name,
        "own": zone.names(_servers(new)),
        "addresses": zone.written(new.addresses),
        "servers": zone.names(_servers(public)),
        "old": zone.said(public),
    }
    steps = [
        _(
            "Go on: for the certificate nothing needs to be changed, since Let's Encrypt asks the "
            "domain's own name servers."
        ),
        _wait(public.ttl),
    ]
    if late:
        steps[0] = _(
            "Let all name servers of %(zone)s have the same records: %(late)s still gives the old "
            "answer, and Let's Encrypt asks any of them."
        ) % {"zone": registered_domain(public.name), "late": zone.names(late)}
    return Problem(
        code="dns-old-answer",
        severity=Severity.WARNING,
        explanation=_(
            "The domain's own name servers (%(own)s) already give %(addresses)s for %(name)s; the "
            "public DNS servers %(servers)s still remember the old answer (%(old)s)."
        )
        % facts,
        remedy=tuple(steps),
        detail="\n".join((all_own.detail, public.detail)),
        retryable=True,
    )


def old_caa(names: Sequence[str], public: Sequence[Said], own: Sequence[Said]) -> Problem:
    """CAA records that forbade, and are gone from the domain's own servers."""
    before, now = _caa(public), _caa(own)
    servers = dict.fromkeys(reply.server for reply in before if reply.properties)
    return Problem(
        code="caa-old-answer",
        severity=Severity.WARNING,
        explanation=_(
            "The domain's own name servers already give CAA records that do not stand in the way "
            "of %(names)s; the public DNS servers %(servers)s still remember the old ones."
        )
        % {"names": zone.names(names), "servers": zone.names(list(servers))},
        remedy=(
            _(
                "Go on: for the certificate nothing needs to be changed, since Let's Encrypt asks "
                "the domain's own name servers."
            ),
        ),
        detail="\n".join(dict.fromkeys(reply.detail for reply in (*now, *before))),
        retryable=True,
    )


def _caa(said: Sequence[Said]) -> list[Reply]:
    return [reply for group in said for replies in group for reply in replies.values()]


def _servers(lookup: Lookup) -> list[str]:
    return [view.server for view in lookup.views if view.is_known]


def _wait(seconds: int | None) -> str:
    if seconds is None:
        return _("Others may see the old answer for some time yet.")
    minutes = zone.minutes(seconds)
    return ngettext(
        "Others may see the old answer for up to %(minutes)d more minute.",
        "Others may see the old answer for up to %(minutes)d more minutes.",
        minutes,
    ) % {"minutes": minutes}
