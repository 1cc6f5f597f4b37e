"""Whether something on the way answers in place of the public DNS servers, often the router.

Looked at only where the DNS stands in the way: what such a thing says of a name, a CA never sees.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from django.utils.translation import gettext as _

from challenges.preflight.report import Report
from challenges.preflight.resolvers import Server
from challenges.preflight.resolving import Failure, Question, ask
from challenges.problems import Problem, Severity

# TEST-NET-1 (RFC 5737): nobody is there, so whoever answers stands on the way to everybody.
NOBODY = Server("192.0.2.53", 53, "192.0.2.53")
# What has just been asked for is remembered where it was answered.
SECONDS = 0.7


def is_possible(public: Sequence[Server]) -> bool:
    """Whether questions to these servers leave this network at all."""
    return any(ipaddress.ip_address(server.address).is_global for server in public)


def happens(name: str, *, nobody: Server = NOBODY, seconds: float = SECONDS) -> bool:
    """Whether a question about ``name`` is answered by a server that does not exist."""
    question = Question(nobody, name, "A")
    return ask([question], seconds=seconds)[question].failure is not Failure.SILENCE


def doubted(report: Report, public: Sequence[Server]) -> Report:
    """The same findings, none of them certain any more, and first of all the reason."""
    return Report((_intercepted(public), *report.softened().findings), report.established)


def _intercepted(public: Sequence[Server]) -> Problem:
    servers = ", ".join(server.shown for server in public)
    return Problem(
        code="dns-intercepted",
        severity=Severity.WARNING,
        explanation=_(
            "Something in this network, often the router or a firewall, answers DNS requests in "
            "place of the public DNS servers %(servers)s, so what Let's Encrypt sees is unknown "
            "from here."
        )
        % {"servers": servers},
        remedy=(
            _(
                "In the router or firewall, exempt this machine from the redirection of DNS "
                "requests, so that they reach %(servers)s (UDP and TCP port 53)."
            )
            % {"servers": servers},
            _("Or go on: the staging test asks the real public DNS."),
        ),
        detail=_("A DNS request to %(address)s, where no server is, was answered.")
        % {"address": NOBODY.address},
    )
