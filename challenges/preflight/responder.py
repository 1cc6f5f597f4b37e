"""Our own challenge port answers a token that has just been published, wherever it shall."""

from __future__ import annotations

import dataclasses
import ipaddress
import secrets
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial

from django.utils.translation import gettext as _

from challenges import binding, tokens
from challenges.models import ChallengeListener
from challenges.preflight import own_port
from challenges.preflight.fetching import Answer, Outcome, fetch
from challenges.preflight.machine import Machine
from challenges.preflight.parallel import in_parallel
from challenges.preflight.report import Established, Fact, Report, joined
from challenges.preflight.surroundings import Address, Surroundings
from challenges.problems import Problem

SECONDS = 2.0
# With finding out the address of another machine.
ALL_TOGETHER = 6.0
MOST_ADDRESSES = 12
_LOOPBACKS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what a wildcard is asked by


@dataclasses.dataclass(frozen=True)
class Probe:
    """A token made for this one preflight."""

    token: str
    authorization: str


@contextmanager
def published_probe(now: datetime) -> Iterator[Probe]:
    """A token of our own, published as long as the context lasts."""
    token = secrets.token_urlsafe(32)
    probe = Probe(token, f"{token}.preflight")
    tokens.publish(token, probe.authorization, now=now, lifetime=timedelta(minutes=5))
    try:
        yield probe
    finally:
        tokens.withdraw(token)


def listeners_on_duty(now: datetime) -> tuple[ChallengeListener, ...]:
    """The challenge processes that are alive, the one that reported last first."""
    rows = ChallengeListener.objects.order_by("-seen_at")
    return tuple(row for row in rows if row.is_alive(now))


def is_here(listener: ChallengeListener | None) -> bool:
    """Whether it runs on this machine; none that reports itself is looked for here, too."""
    return listener is None or listener.host == socket.gethostname()


def address_of(listener: ChallengeListener | None) -> str:
    """Where to ask: the loopback for a wildcard here, the host's name when it is another one."""
    if listener is None:
        return "127.0.0.1"
    if not is_here(listener):
        return listener.host
    first = next(iter(binding.parse_hosts(listener.addresses)), "127.0.0.1")
    return _LOOPBACKS.get(first, first)


def check(
    probe: Probe,
    listeners: Sequence[ChallengeListener],
    machine: Machine,
    surroundings: Surroundings,
) -> Report:
    """Every challenge process, and the port at every address of this machine, all at once."""
    processes: Sequence[ChallengeListener | None] = listeners or (None,)
    asked: list[partial[Report]] = [
        partial(_process, probe, listener, surroundings) for listener in processes
    ]
    here = next((listener for listener in processes if is_here(listener)), None)
    if here is not None or not listeners:
        asked.append(partial(_networks, probe, here, machine, surroundings))
    found = in_parallel(asked, seconds=ALL_TOGETHER)
    reports = [
        report or Report((own_port.too_slow(surroundings.challenge_port),)) for report in found
    ]
    if reports[0].is_fatal:
        # What the other addresses say adds nothing to a port that is closed.
        return joined(reports[: len(processes)])
    return joined(reports)


def ask(probe: Probe, address: Address, port: int, surroundings: Surroundings) -> Answer:
    """Fetch the probe from our own challenge port."""
    name = surroundings.hostnames[0] if surroundings.hostnames else "localhost"
    return fetch(address, port, probe.token, host=name, seconds=SECONDS)


def judge(
    answer: Answer,
    probe: Probe,
    listener: ChallengeListener | None,
    surroundings: Surroundings,
) -> Problem | None:
    """What the answer of our own port means."""
    if answer.is_token(probe.authorization):
        return None
    if listener is not None and not is_here(listener):
        return own_port.not_seen(answer, listener)
    if answer.outcome in {Outcome.ANSWERED, Outcome.NOT_HTTP}:
        return own_port.another_program(answer, surroundings.challenge_port)
    if listener is None:
        return own_port.nobody_there(answer, surroundings.challenge_port)
    return own_port.closed(answer, listener, surroundings.challenge_port)


def _process(
    probe: Probe, listener: ChallengeListener | None, surroundings: Surroundings
) -> Report:
    """One challenge process, at the port that it serves."""
    where = _address_of(listener)
    port = surroundings.challenge_port
    late = listener is not None and listener.port not in {None, port}
    if listener is not None and late:
        port = listener.port or port
    answer = ask(probe, where, port, surroundings) if where else Answer(Outcome.NO_ROUTE)
    problem = judge(answer, probe, listener, surroundings)
    if problem:
        return Report((problem,))
    if listener is not None and late:
        return Report((own_port.not_followed(listener, surroundings.challenge_port),))
    return Report(established=(_served(listener, port),))


def _served(listener: ChallengeListener | None, port: int) -> Established:
    sentence = (
        _("The challenge service answers a token on port %(port)d of this machine.")
        if is_here(listener)
        else _("The challenge service answers a token on port %(port)d of %(host)s.")
    )
    host = listener.host if listener else ""
    return Established(Fact.PORT_SERVED, sentence % {"port": port, "host": host})


def _address_of(listener: ChallengeListener | None) -> Address | None:
    """As an address; another machine's name is looked up here, once."""
    text = address_of(listener)
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(text, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return None
    return ipaddress.ip_address(str(found[0][4][0]).partition("%")[0])


def _networks(
    probe: Probe,
    listener: ChallengeListener | None,
    machine: Machine,
    surroundings: Surroundings,
) -> Report:
    """The port at the addresses by which the network reaches this machine."""
    port = (listener.port if listener else None) or surroundings.challenge_port
    bound = binding.parse_hosts(listener.addresses) if listener else ("0.0.0.0", "::")  # noqa: S104
    wanted = [own for own in machine.addresses if _is_bound(own, bound)][:MOST_ADDRESSES]
    if not wanted:
        return Report(_loopback_only(bound, port, machine, surroundings))
    answers = in_parallel(
        [partial(ask, probe, own, port, surroundings) for own in wanted], seconds=SECONDS + 1
    )
    pairs = [
        (own, answer or Answer(Outcome.SILENT)) for own, answer in zip(wanted, answers, strict=True)
    ]
    good = [own for own, answer in pairs if answer.is_token(probe.authorization)]
    bad = [(own, answer) for own, answer in pairs if own not in good]
    if listener is None:
        # Without a report of what is bound, an address may be left out on purpose.
        bad = []
    facts = {"port": port, "addresses": own_port.written(good)}
    sentence = _("Port %(port)d answers a token at this machine's address %(addresses)s.")
    established = (Established(Fact.PORT_ON_LAN, sentence % facts),) if good else ()
    return Report((own_port.not_on_network(bad, port),) if bad else (), established)


def _is_bound(own: Address, bound: Sequence[str]) -> bool:
    wildcard = "::" if own.version == 6 else "0.0.0.0"  # noqa: S104 - only compared
    return wildcard in bound or str(own) in bound


def _loopback_only(
    bound: Sequence[str], port: int, machine: Machine, surroundings: Surroundings
) -> tuple[Problem, ...]:
    own = [ipaddress.ip_address(host) for host in bound]
    is_meant = any(surroundings.counts_as_public(address) for address in own)
    if is_meant or not own or not machine.addresses or not all(a.is_loopback for a in own):
        return ()
    return (own_port.loopback_only(own, port, machine.addresses[0]),)
