"""Our own challenge port answers a token that has just been published, wherever it shall."""

from __future__ import annotations

import dataclasses
import ipaddress
import logging
import secrets
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial

from django.db import DatabaseError
from django.utils.translation import gettext as _

from challenges import binding, tokens
from challenges.models import ChallengeListener
from challenges.preflight import own_port_words, permitted
from challenges.preflight.fetching import Answer, Outcome, fetch
from challenges.preflight.machine import Machine, is_own
from challenges.preflight.parallel import in_parallel
from challenges.preflight.report import Established, Fact, Report, joined
from challenges.preflight.surroundings import Address, Surroundings
from challenges.problems import Problem
from challenges.whereabouts import is_here

logger = logging.getLogger(__name__)
SECONDS = 2.0
# With finding out the address of another machine.
ALL_TOGETHER = 6.0
MOST_ADDRESSES = 12
_LOOPBACK = ipaddress.IPv4Address("127.0.0.1")
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
        try:
            tokens.withdraw(token)
        except DatabaseError:
            # It ends by itself in some minutes; what has been found shall not be lost for it.
            logger.exception("The token of a preflight could not be withdrawn")


def check(
    probe: Probe,
    listeners: Sequence[ChallengeListener],
    machine: Machine,
    surroundings: Surroundings,
    silent: Sequence[ChallengeListener] = (),
) -> Report:
    """Every challenge process, and the port at every address of this machine, all at once.

    Of ``silent`` ones only while no other reports itself. Nothing is fatal where another machine
    has a challenge process as well: the CA may come to that one.
    """
    asked: list[partial[Report]] = [
        partial(_process, probe, listener, surroundings) for listener in listeners
    ] or [partial(_unreported, probe, silent, surroundings)]
    processes = len(asked)
    wanted = surroundings.challenge_port
    here = next((row for row in listeners if is_here(row) and not _is_late(row, wanted)), None)
    if here is not None or not listeners:
        asked.append(partial(_networks, probe, here, machine, surroundings))
    found = in_parallel(asked, seconds=ALL_TOGETHER)
    reports = [
        report or Report((own_port_words.too_slow(surroundings.challenge_port),))
        for report in found
    ]
    if reports[0].is_fatal:
        # What the other addresses say adds nothing to a port that is closed.
        reports = reports[:processes]
    if silent or not all(is_here(row) for row in listeners):
        reports = [report.softened() for report in reports]
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
    """What the answer of our own port means, on this machine."""
    if answer.is_token(probe.authorization):
        return None
    port = surroundings.challenge_port
    if answer.outcome in {Outcome.ANSWERED, Outcome.NOT_HTTP}:
        return own_port_words.of_the_service(answer, port) or own_port_words.another_program(
            answer, port
        )
    if listener is None:
        return own_port_words.nobody_there(answer, port)
    return own_port_words.closed(answer, listener, port)


def _process(
    probe: Probe, listener: ChallengeListener | None, surroundings: Surroundings
) -> Report:
    """One challenge process, at the wanted port and no other.

    Its row is its own word, and strangers talk to it all day: it shall lead us nowhere else.
    """
    port = surroundings.challenge_port
    if listener is not None and _is_late(listener, port):
        return Report((own_port_words.not_followed(listener, port),))
    where = _address_of(listener)
    if listener is not None and not (is_here(listener) and where and is_own(where)):
        answer = _elsewhere(probe, listener, where, surroundings)
        if not answer.is_token(probe.authorization):
            known = own_port_words.of_the_service(answer, port, listener.host)
            return Report((known or own_port_words.not_seen(answer, listener),))
    elif problem := judge(
        ask(probe, where or _LOOPBACK, port, surroundings), probe, listener, surroundings
    ):
        return Report((problem,))
    return Report(established=(_served(listener, port),))


def _unreported(
    probe: Probe, silent: Sequence[ChallengeListener], surroundings: Surroundings
) -> Report:
    """While no process reports itself: the port here, else those whose reports may only be late."""
    here = _process(probe, None, surroundings)
    if not here.findings or not silent:
        return here
    found = in_parallel(
        [partial(_process, probe, row, surroundings) for row in silent], seconds=SECONDS + 1
    )
    for report in found:
        if report and report.established:
            return report
    return Report((own_port_words.silent(silent[0], surroundings.challenge_port),))


def _is_late(listener: ChallengeListener, wanted: int) -> bool:
    """Whether it says itself that it serves another port than the one that is wanted."""
    return listener.port not in {None, wanted}


def _elsewhere(
    probe: Probe,
    listener: ChallengeListener,
    where: Address | None,
    surroundings: Surroundings,
) -> Answer:
    if where is None:
        return Answer(Outcome.NO_ROUTE, where=listener.host)
    if not permitted.may_ask_process(where, surroundings):
        return Answer(Outcome.NOT_ASKED, where=str(where))
    return ask(probe, where, surroundings.challenge_port, surroundings)


def _served(listener: ChallengeListener | None, port: int) -> Established:
    sentence = (
        _("The challenge service answers a token on port %(port)d of this machine.")
        if is_here(listener)
        else _("The challenge service answers a token on port %(port)d of %(host)s.")
    )
    host = listener.host if listener else ""
    return Established(Fact.PORT_SERVED, sentence % {"port": port, "host": host})


def _address_of(listener: ChallengeListener | None) -> Address | None:
    """Where to ask: the loopback for a wildcard here, of another machine the address of its name,
    which is looked up here, once. None where that has none.
    """
    if listener is None:
        return _LOOPBACK
    text = listener.host
    if is_here(listener):
        bound = [_LOOPBACKS.get(host, host) for host in binding.parse_hosts(listener.addresses)]
        text = next(iter(bound), str(_LOOPBACK))
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
    port = surroundings.challenge_port
    bound = binding.parse_hosts(listener.addresses if listener else binding.EVERYWHERE)
    wanted = [own for own in machine.addresses if binding.covers(bound, own)][:MOST_ADDRESSES]
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
    facts = {"port": port, "addresses": own_port_words.written(good)}
    sentence = _("Port %(port)d answers a token at this machine's address %(addresses)s.")
    established = (Established(Fact.PORT_ON_LAN, sentence % facts),) if good else ()
    return Report((own_port_words.not_on_network(bad, port),) if bad else (), established)


def _loopback_only(
    bound: Sequence[str], port: int, machine: Machine, surroundings: Surroundings
) -> tuple[Problem, ...]:
    try:
        own = [ipaddress.ip_address(host) for host in bound]
    except ValueError:
        # Another process has written it.
        return ()
    is_meant = any(surroundings.counts_as_public(address) for address in own)
    if is_meant or not own or not machine.addresses or not all(a.is_loopback for a in own):
        return ()
    return (own_port_words.loopback_only(own, port, machine.addresses[0]),)
