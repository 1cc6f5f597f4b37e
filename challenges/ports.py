"""Whether the challenge port can be a certain port, and if not, why and what to do about it."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from django.utils import timezone
from django.utils.translation import gettext as _

from challenges import binding, occupants
from challenges.models import ChallengeListener
from challenges.occupants import Occupant
from challenges.problems import Problem, Severity
from challenges.whereabouts import is_here

HTTP_PORT = 80
LOWEST_USUAL = 1024
HIGHEST = 65535
_CAP_NET_BIND_SERVICE = 10  # include/uapi/linux/capability.h
_UNPRIVILEGED_START = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
_OWN_STATUS = Path("/proc/self/status")


def default_port(host: str = binding.EVERYWHERE) -> int:
    """80 where this process may bind it and nobody else has, else 8080."""
    return 8080 if why_not_bindable(HTTP_PORT, host) else HTTP_PORT


def why_not_bindable(port: int, host: str = binding.EVERYWHERE) -> Problem | None:
    """Try to bind ``port`` on the addresses in ``host``, for a moment; None when that works."""
    if not 1 <= port <= HIGHEST:
        return out_of_range(port)
    try:
        probes = binding.bind(binding.parse_hosts(host), port)
    except binding.CannotBind as refusal:
        return explain(refusal, port)
    for probe in probes:
        probe.close()
    return None


def port_problem(
    port: int,
    listener: ChallengeListener | None,
    *,
    host: str = binding.EVERYWHERE,
    now: datetime | None = None,
) -> Problem | None:
    """Why the challenge port cannot become ``port``, as far as this process can tell.

    A live ``listener`` knows better than we do: it may have rights that the console has not,
    and it may run on another machine, where a probe of ours would say nothing.
    """
    if not 1 <= port <= HIGHEST:
        return out_of_range(port)
    if listener is None or not listener.is_alive(now or timezone.now()):
        return why_not_bindable(port, host)
    if port == listener.port:
        return None
    if port < listener.lowest_port:
        return not_permitted(port, listener.lowest_port)
    if not is_here(listener):
        return None
    try:
        probes = binding.bind(binding.parse_hosts(listener.addresses or host), port)
    except binding.CannotBind as refusal:
        return None if refusal.number in {errno.EACCES, errno.EPERM} else explain(refusal, port)
    for probe in probes:
        probe.close()
    return None


def explain(refusal: binding.CannotBind, port: int) -> Problem:
    """The Problem for a port that has just been refused to this process."""
    occupant = occupants.find(port) if refusal.number == errno.EADDRINUSE else None
    return problem_of(refusal.number, port, refusal.host, occupant, own_lowest_port())


def problem_of(
    number: int, port: int, host: str, occupant: Occupant | None, lowest: int
) -> Problem:
    """What an error number of bind(2) means, in words."""
    if number == errno.EADDRINUSE:
        return taken(port, occupant)
    if number in {errno.EACCES, errno.EPERM}:
        return not_permitted(port, lowest)
    if number == errno.EADDRNOTAVAIL:
        return Problem(
            code="challenge-address-not-here",
            severity=Severity.ERROR,
            explanation=_("%(host)s is not an address of this machine.") % {"host": host},
            remedy=(
                _("Correct GATEWAY_ADMIN_CHALLENGE_HOST, or remove it to listen on all addresses."),
            ),
        )
    return Problem(
        code="challenge-port-not-bindable",
        severity=Severity.ERROR,
        explanation=_("Port %(port)d cannot be opened: %(reason)s.")
        % {"port": port, "reason": os.strerror(number)},
        remedy=(_("Choose another challenge port."),),
        detail=errno.errorcode.get(number, str(number)),
        retryable=True,
    )


def taken(port: int, occupant: Occupant | None) -> Problem:
    """For a port on which another program listens."""
    explanation = (
        _("Port %(port)d is already in use by %(name)s (process %(pid)d).")
        % {"port": port, "name": occupant.name, "pid": occupant.pid}
        if occupant
        else _("Port %(port)d is already in use by another program.") % {"port": port}
    )
    return Problem(
        code="challenge-port-taken",
        severity=Severity.ERROR,
        explanation=explanation,
        remedy=(
            _("Stop that program or move it to another port, or choose another challenge port."),
            who_uses(port),
        ),
        retryable=True,
    )


def who_uses(port: int) -> str:
    """How to see which program has a port."""
    return _("To see what uses the port, run: sudo ss -ltnp 'sport = :%(port)d'") % {"port": port}


def not_permitted(port: int, lowest: int) -> Problem:
    """For a port that the operating system keeps for privileged programs."""
    facts = {"port": port, "lowest": lowest, "python": str(Path(sys.executable).resolve())}
    explanation = (
        _("Port %(port)d is below %(lowest)d, and only privileged programs may open such a port.")
        if port < lowest
        else _("The system does not permit this program to open port %(port)d.")
    )
    return Problem(
        code="challenge-port-not-permitted",
        severity=Severity.ERROR,
        explanation=explanation % facts,
        remedy=(
            _(
                "Under systemd, put AmbientCapabilities=CAP_NET_BIND_SERVICE into the [Service] "
                "section of the unit and restart it."
            ),
            _(
                "Or allow it to every program: sudo sysctl "
                "net.ipv4.ip_unprivileged_port_start=%(port)d"
            )
            % facts,
            _("Or allow it to this Python: sudo setcap cap_net_bind_service=+ep %(python)s")
            % facts,
            _("Or choose a port from %(usual)d upwards and have port 80 forwarded to it.")
            % {"usual": max(lowest, LOWEST_USUAL)},
        ),
    )


def out_of_range(port: int) -> Problem:
    """For a number that is no TCP port."""
    return Problem(
        code="challenge-port-out-of-range",
        severity=Severity.ERROR,
        explanation=_("%(port)d is not a port.") % {"port": port},
        remedy=(_("Enter a number from 1 to %(highest)d.") % {"highest": HIGHEST},),
    )


def sentence(problem: Problem) -> str:
    """Explanation and remedy in one piece of text, for the listener's row and the log."""
    return " ".join((problem.explanation, *problem.remedy))


def lowest_port(unprivileged_start: int, effective_capabilities: int) -> int:
    """The lowest port that a process may bind, given the system's limit and its CapEff mask."""
    privileged = effective_capabilities >> _CAP_NET_BIND_SERVICE & 1
    return 1 if privileged else max(1, unprivileged_start)


def own_lowest_port() -> int:
    """The lowest port that this process may bind; 1024 where the system does not say."""
    try:
        start = int(_UNPRIVILEGED_START.read_text())
        return lowest_port(start, effective_capabilities(_OWN_STATUS.read_text().splitlines()))
    except (OSError, ValueError):
        return LOWEST_USUAL


def effective_capabilities(status: Sequence[str]) -> int:
    """The CapEff mask in the lines of /proc/PID/status; 0 when it is not there."""
    for line in status:
        if line.startswith("CapEff:"):
            return int(line.partition(":")[2], 16)
    return 0
