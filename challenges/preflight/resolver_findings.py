"""What is wrong with the public DNS servers themselves, or with the way to them. Asks nobody."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.utils.translation import gettext as _

from challenges.domains import registered_domain
from challenges.preflight import zone
from challenges.preflight.lookups import Lookup
from challenges.preflight.resolving import Failure
from challenges.preflight.surroundings import Surroundings
from challenges.problems import Problem, Severity


def check(lookups: Sequence[Lookup], surroundings: Surroundings) -> list[Problem]:
    """The findings about servers that say nothing of any name, and of names nobody knows."""
    views = [view for lookup in lookups for view in lookup.views]
    useful = {view.server for view in views if view.is_known}
    asked = dict.fromkeys(surroundings.dns_servers) if lookups else {}
    problems = []
    mute = [server for server in asked if server not in useful]
    severity = Severity.INFO if useful else Severity.WARNING
    for failure, make in _SERVER_FAULTS.items():
        servers = [
            server
            for server in mute
            if _failure_of([view for view in views if view.server == server]) is failure
        ]
        if servers:
            details = [view.detail for view in views if view.server in servers]
            problems.append(make(servers, severity, "\n".join(details[:10])))
    unknown = [lookup for lookup in lookups if not any(v.is_known for v in lookup.views)]
    if useful and unknown:
        problems.append(_slow(unknown))
    return problems


def _failure_of(views: Sequence[Lookup]) -> Failure:
    failures = {view.failure for view in views}
    order = (Failure.REFUSED, Failure.ODD)
    return next((failure for failure in order if failure in failures), Failure.SILENCE)


def _silent(servers: Sequence[str], severity: Severity, detail: str) -> Problem:
    return Problem(
        code="dns-timeout",
        severity=severity,
        explanation=_("No answer comes from the public DNS servers %(servers)s.")
        % {"servers": ", ".join(servers)},
        remedy=(
            _("Let this machine send DNS requests (UDP and TCP port 53) to %(servers)s,")
            % {"servers": ", ".join(servers)},
            _("or name others in GATEWAY_ADMIN_DNS_SERVERS that know the public DNS."),
        ),
        detail=detail,
        retryable=True,
    )


def _refusing(servers: Sequence[str], severity: Severity, detail: str) -> Problem:
    return Problem(
        code="dns-server-refuses",
        severity=severity,
        explanation=_("The DNS servers %(servers)s refuse to answer this machine.")
        % {"servers": ", ".join(servers)},
        remedy=(
            _("Name servers in GATEWAY_ADMIN_DNS_SERVERS that answer everybody, such as 1.1.1.1."),
        ),
        detail=detail,
        retryable=True,
    )


def _odd(servers: Sequence[str], severity: Severity, detail: str) -> Problem:
    return Problem(
        code="dns-server-odd",
        severity=severity,
        explanation=_("What answers as the DNS servers %(servers)s cannot be understood.")
        % {"servers": ", ".join(servers)},
        remedy=(
            _("Check that no firewall answers DNS requests in place of these servers,"),
            _("and that GATEWAY_ADMIN_DNS_SERVERS names DNS servers."),
        ),
        detail=detail,
        retryable=True,
    )


_SERVER_FAULTS: dict[Failure, Callable[[Sequence[str], Severity, str], Problem]] = {
    Failure.SILENCE: _silent,
    Failure.REFUSED: _refusing,
    Failure.ODD: _odd,
}


def _slow(lookups: Sequence[Lookup]) -> Problem:
    each = [lookup.name for lookup in lookups]
    return Problem(
        code="dns-name-unanswered",
        severity=Severity.WARNING,
        explanation=_("The public DNS servers did not answer for %(names)s in time.")
        % {"names": zone.names(each)},
        remedy=(
            _("Check that the name servers of %(zones)s can be reached from the internet.")
            % {"zones": zone.names(list(dict.fromkeys(map(registered_domain, each))))},
            _("Try again: what was too slow once is often remembered the next time."),
        ),
        detail="\n".join(lookup.detail for lookup in lookups[:10]),
        retryable=True,
    )
