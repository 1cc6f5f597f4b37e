"""Asks the name servers of the names' own domains, as a CA's resolver does: what the public DNS
servers remember may be an hour old.

Connects to public addresses only, port 53, asks for no recursion, and is over in seconds.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection, Iterable, Mapping, Sequence

from challenges.domains import is_suffix
from challenges.preflight import caa, permitted
from challenges.preflight.addresses import Kind, kind_of
from challenges.preflight.resolvers import Server
from challenges.preflight.resolving import ADDRESS_KINDS, Failure, Question, Reply, ask
from challenges.preflight.surroundings import Surroundings

SECONDS = 2.5  # all together
PORT = 53
_PUBLIC_ROUND, _OWN_ROUND = 0.9, 1.3  # seconds at most for one round of questions
MOST_NAMES = 20
_MOST_HOSTS = 4  # of one domain
_MOST_HOPS = 4  # from alias to alias, as far as these lead into other domains

Wanted = tuple[str, str]  # a name and a type of record


@dataclasses.dataclass(frozen=True)
class _Domain:
    """A domain that has name servers of its own."""

    apex: str
    servers: tuple[Server, ...]

    def holds(self, name: str) -> bool:
        return name == self.apex or name.endswith(f".{self.apex}")


def steps(name: str) -> tuple[str, ...]:
    """The name and those above it that may belong to its owner; nobody owns a public suffix."""
    return tuple(step for step in caa.climb(name) if "." in step and not is_suffix(step))


def replies(
    wanted: Collection[Wanted], public: Sequence[Server], surroundings: Surroundings, seconds: float
) -> dict[Wanted, tuple[Reply, ...]]:
    """The authoritative replies to each question, none where the servers cannot be found or asked.

    ``public`` are the servers that are asked where the domains' own ones are. Takes ``seconds``.
    """
    deadline = time.monotonic() + seconds
    chains: dict[Wanted, tuple[str, ...]] = {each: (each[0],) for each in wanted}
    found: dict[Wanted, tuple[Reply, ...]] = {}
    for _hop in range(_MOST_HOPS):
        names = {chain[-1] for chain in chains.values()}
        domains = _domains(names, public, surroundings, deadline)
        said = _said(chains, domains, deadline)
        left: dict[Wanted, tuple[str, ...]] = {}
        for each, given in said.items():
            chain = chains[each]
            settled = _settled(given, chain, domains[chain[-1]])
            if settled:
                found[each] = settled
            elif given and given[0].aliases[-1] not in chain:
                left[each] = (*chain, *given[0].aliases)
        chains = left
        if not chains:
            break
    return found


def _said(
    chains: Mapping[Wanted, tuple[str, ...]], domains: Mapping[str, _Domain], deadline: float
) -> dict[Wanted, tuple[Reply, ...]]:
    """What the servers say of the last name of each chain, as far as they speak for it."""
    questions = {
        each: [
            Question(server, chain[-1], each[1], is_recursive=False)
            for server in domains[chain[-1]].servers
        ]
        for each, chain in chains.items()
        if chain[-1] in domains
    }
    answered = _ask((q for group in questions.values() for q in group), _OWN_ROUND, deadline)
    return {
        each: tuple(answered[q] for q in group if _counts(answered[q]))
        for each, group in questions.items()
    }


def _counts(reply: Reply) -> bool:
    return reply.is_authoritative and reply.failure in {None, Failure.NO_SUCH_NAME}


def _settled(given: Iterable[Reply], chain: tuple[str, ...], domain: _Domain) -> tuple[Reply, ...]:
    """The replies that need no further question, with the aliases that led to them.

    What a server says of the target of an alias counts inside its own domain only.
    """
    ended = (
        reply
        for reply in given
        if not reply.aliases
        or (domain.holds(reply.aliases[-1]) and (reply.addresses or reply.properties))
    )
    return tuple(
        dataclasses.replace(reply, aliases=(*chain[1:], *reply.aliases)) for reply in ended
    )


def _domains(
    names: Collection[str], public: Sequence[Server], surroundings: Surroundings, deadline: float
) -> dict[str, _Domain]:
    """The domain of each name: the lowest one that has name servers which can be asked."""
    hosts = _hosts(names, public, deadline)
    all_hosts = dict.fromkeys(host for _apex, group in hosts.values() for host in group)
    answered = _ask(
        (Question(s, host, kind) for host in all_hosts for kind in ADDRESS_KINDS for s in public),
        _PUBLIC_ROUND,
        deadline,
    )
    servers: dict[str, dict[int, Server]] = {host: {} for host in all_hosts}
    for question, reply in answered.items():
        for address in reply.addresses:
            is_public = kind_of(address, surroundings) is Kind.PUBLIC
            if is_public and permitted.may_connect(address, surroundings):
                one = Server(str(address), PORT, question.name)
                servers[question.name].setdefault(address.version, one)
    return {
        name: _Domain(apex, tuple(one for host in group for one in servers[host].values()))
        for name, (apex, group) in hosts.items()
    }


def _hosts(
    names: Collection[str], public: Sequence[Server], deadline: float
) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Of each name the apex of its domain and the name servers' names."""
    above = dict.fromkeys(step for name in names for step in steps(name))
    answered = _ask(
        (Question(server, step, "NS") for step in above for server in public),
        _PUBLIC_ROUND,
        deadline,
    )
    of_step: dict[str, dict[str, None]] = {}
    for question, reply in answered.items():
        if not reply.aliases:
            of_step.setdefault(question.name, {}).update(dict.fromkeys(reply.hosts))
    found = {}
    for name in names:
        apex = next((step for step in steps(name) if of_step.get(step)), "")
        if apex:
            found[name] = (apex, tuple(of_step[apex])[:_MOST_HOSTS])
    return found


def _ask(questions: Iterable[Question], most: float, deadline: float) -> dict[Question, Reply]:
    return ask(questions, seconds=min(most, deadline - time.monotonic()))
