"""What the local DNS says of the names, compared with the public one: advice, never an error.

Behind a router the local DNS should lead mail clients in the building straight to the gateway.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Sequence

from django.utils.translation import gettext as _

from challenges.preflight import addresses, machine, zone
from challenges.preflight.addresses import Kind
from challenges.preflight.lookups import Lookup
from challenges.preflight.report import Established, Fact, Report
from challenges.preflight.resolving import Failure
from challenges.preflight.surroundings import Address, Surroundings
from challenges.problems import Problem, Severity


class View(enum.Enum):
    """How the local DNS sees a name."""

    HERE = "this machine's private address"
    NEARBY = "another private address"
    SAME = "the public addresses"
    OTHER = "other public addresses"
    ONLY_LOCAL = "an address, while the public DNS has none"
    MISSING = "nothing, while the public DNS has an address"
    UNREAD = "no answer"
    UNCOMPARED = "an address, while the public DNS says nothing to compare it with"
    NOTHING = "nothing, as the public DNS"


IsOwn = Callable[[Address], bool]


@dataclasses.dataclass(frozen=True)
class _Seen:
    """One name, as the local DNS has it."""

    local: Lookup
    view: View


def compare(local: Lookup, public: Lookup, surroundings: Surroundings, is_own: IsOwn) -> View:
    """How the local DNS sees the name of both look-ups."""
    if not local.is_known or local.failure in {Failure.BOGUS, Failure.BROKEN}:
        return View.UNREAD
    here, there = set(local.addresses), set(public.addresses)
    if not here:
        return View.MISSING if there else View.NOTHING
    if not there:
        is_certain = public.failure in {None, Failure.NO_SUCH_NAME}
        return View.ONLY_LOCAL if is_certain else View.UNCOMPARED
    inner = {addr for addr in here if addresses.kind_of(addr, surroundings) is not Kind.PUBLIC}
    if here <= there:
        # That the public DNS has nothing but useless addresses is said already.
        return View.SAME if here - inner else View.UNCOMPARED
    if inner:
        return View.HERE if all(is_own(address) for address in inner) else View.NEARBY
    return View.HERE if all(is_own(address) for address in here) else View.OTHER


def check(
    local: Sequence[Lookup],
    public: Sequence[Lookup],
    surroundings: Surroundings,
    is_own: IsOwn = machine.is_own,
) -> Report:
    """What is worth knowing about the local DNS, one finding for all names that it is so with."""
    seen = [
        _Seen(of_local, compare(of_local, of_public, surroundings, is_own))
        for of_local, of_public in zip(local, public, strict=True)
    ]
    makers = _BEHIND_ROUTER if surroundings.is_behind_router else _OUTSIDE
    findings = []
    for view, make in makers.items():
        if group := [each.local for each in seen if each.view is view]:
            findings.append(make(group, _Facts(group)))
    right = View.HERE if surroundings.is_behind_router else View.SAME
    if seen and all(each.view is right for each in seen):
        return Report(tuple(findings), (Established(Fact.DNS_LOCAL, _right(seen)),))
    return Report(tuple(findings))


def _right(seen: Sequence[_Seen]) -> str:
    first = seen[0].local
    return _("In the local DNS (%(server)s) %(names)s: %(addresses)s.") % {
        "server": first.server,
        "names": zone.names([each.local.name for each in seen]),
        "addresses": zone.written(
            dict.fromkeys(address for each in seen for address in each.local.addresses)
        ),
    }


class _Facts(dict[str, object]):
    """What the sentences about some names are filled with."""

    def __init__(self, group: Sequence[Lookup]) -> None:
        each = dict.fromkeys(str(address) for found in group for address in found.addresses)
        super().__init__(
            server=group[0].server,
            names=zone.names([found.name for found in group]),
            addresses=zone.names(list(each)),
        )


def _ttl(group: Sequence[Lookup]) -> int | None:
    """The longest time in seconds for which the answers may be remembered."""
    return max((lookup.ttl for lookup in group if lookup.ttl), default=None)


def _detail(group: Sequence[Lookup]) -> str:
    return "\n".join(lookup.detail for lookup in group[:10])


def _public_address(group: Sequence[Lookup], facts: _Facts) -> Problem:
    return Problem(
        code="dns-local-public",
        severity=Severity.INFO,
        explanation=_(
            "The local DNS server %(server)s gives the public address (%(addresses)s) for "
            "%(names)s, so mail clients in the building go through the router, which must send "
            "them back in (NAT loopback, also called hairpin NAT)."
        )
        % facts,
        remedy=(
            zone.local_record(group[0].name),
            _("Or switch NAT loopback on in the router. The certificate needs neither."),
        ),
        detail=_detail(group),
    )


def _nearby(group: Sequence[Lookup], facts: _Facts) -> Problem:
    return Problem(
        code="dns-local-elsewhere",
        severity=Severity.INFO,
        explanation=_(
            "The local DNS server %(server)s gives %(addresses)s for %(names)s, which is not an "
            "address of this machine."
        )
        % facts,
        remedy=(
            _("If the mail server is another machine than this one, everything is in order."),
            zone.local_record(group[0].name),
        ),
        detail=_detail(group),
    )


def _other(group: Sequence[Lookup], facts: _Facts) -> Problem:
    return Problem(
        code="dns-local-differs",
        severity=Severity.WARNING,
        explanation=_(
            "The local DNS server %(server)s gives %(addresses)s for %(names)s, but the public "
            "DNS servers give other addresses."
        )
        % facts,
        remedy=(
            zone.wait(_ttl(group)),
            _(
                "If the local DNS has a zone of its own for these names, correct it there: "
                "Let's Encrypt sees the public DNS only."
            ),
        ),
        detail=_detail(group),
        retryable=True,
    )


def _only_local(group: Sequence[Lookup], facts: _Facts) -> Problem:
    return Problem(
        code="dns-only-local",
        severity=Severity.WARNING,
        explanation=_(
            "%(names)s has an address (%(addresses)s) in the local DNS only (%(server)s), and "
            "Let's Encrypt sees the public DNS only."
        )
        % facts,
        remedy=(
            _("Enter the address record at the company that runs the public DNS of the domain."),
        ),
        detail=_detail(group),
        retryable=True,
    )


def _missing(group: Sequence[Lookup], facts: _Facts) -> Problem:
    return Problem(
        code="dns-local-missing",
        severity=Severity.WARNING,
        explanation=_(
            "The local DNS server %(server)s does not know %(names)s, so mail clients that use it "
            "do not find the gateway; for the certificate that does not matter."
        )
        % facts,
        remedy=(
            zone.local_record(group[0].name),
            zone.wait(_ttl(group)),
        ),
        detail=_detail(group),
        retryable=True,
    )


def _unread(group: Sequence[Lookup], facts: _Facts) -> Problem:
    return Problem(
        code="dns-local-unanswered",
        severity=Severity.INFO,
        explanation=_(
            "This machine's own DNS server %(server)s gives no answer for %(names)s; for the "
            "certificate that does not matter."
        )
        % facts,
        remedy=(_("Check the DNS servers that this machine is configured with."),),
        detail=_detail(group),
        retryable=True,
    )


_Make = Callable[[Sequence[Lookup], _Facts], Problem]
_ALWAYS: dict[View, _Make] = {
    View.OTHER: _other,
    View.ONLY_LOCAL: _only_local,
    View.MISSING: _missing,
    View.UNREAD: _unread,
}
_BEHIND_ROUTER: dict[View, _Make] = {
    View.SAME: _public_address,
    View.NEARBY: _nearby,
    **_ALWAYS,
}
_OUTSIDE: dict[View, _Make] = {View.HERE: _other, View.NEARBY: _other, **_ALWAYS}
