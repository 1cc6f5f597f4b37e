"""Asks DNS servers many questions at the same time, each server for itself, and never raises.

Only what a server answers is found out here; what it means is for others to say.
"""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import ipaddress
from collections.abc import Iterable, Sequence
from functools import partial

import dns.asyncquery
import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.CAA
import dns.rdtypes.ANY.SOA
import dns.rrset

from challenges.preflight.parallel import in_parallel
from challenges.preflight.resolvers import Server
from challenges.preflight.surroundings import Address

# Seconds for one try each. What a server did not find in the first is often known in the second.
TRIES = (1.2, 1.6, 2.2)
ADDRESS_KINDS = ("A", "AAAA")
AT_ONCE = 24  # questions on their way to one server: small forwarders take no more
SILENCES_ENOUGH = 3  # of a server that has never answered: it will not answer the others either
_PAYLOAD = 1232  # fits into every datagram (DNS flag day 2020)
_LONGEST_CHAIN = 40
_WITHOUT_EDNS = frozenset({dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.BADVERS})


class Failure(enum.Enum):
    """Why a question has no answer."""

    NO_SUCH_NAME = "NXDOMAIN"
    BOGUS = "DNSSEC"  # SERVFAIL, but an answer when the server is told not to validate
    BROKEN = "SERVFAIL"
    REFUSED = "REFUSED"
    ODD = "not understood"
    SILENCE = "timeout"


_FAILURES = {
    dns.rcode.NOERROR: None,
    dns.rcode.NXDOMAIN: Failure.NO_SUCH_NAME,
    dns.rcode.SERVFAIL: Failure.BROKEN,
    dns.rcode.REFUSED: Failure.REFUSED,
}


@dataclasses.dataclass(frozen=True)
class Property:
    """A CAA record (RFC 8659 §4.1)."""

    flags: int
    tag: str
    value: str

    def __str__(self) -> str:
        return f'{self.flags} {self.tag} "{self.value}"'


@dataclasses.dataclass(frozen=True)
class Reply:
    """What one server says to one question. ``ttl`` is in seconds; ``detail`` for an expert.

    ``hosts`` are the name servers that NS records name; an authoritative answer (RFC 1035 §4.1.1)
    is the server's own knowledge and not a memory.
    """

    addresses: tuple[Address, ...] = ()
    failure: Failure | None = None
    server: str = ""
    kind: str = "A"
    aliases: tuple[str, ...] = ()
    properties: tuple[Property, ...] = ()
    hosts: tuple[str, ...] = ()
    is_authoritative: bool = False
    ttl: int | None = None
    detail: str = ""


@dataclasses.dataclass(frozen=True)
class Question:
    """One name and type for one server, which shall ask others where it does not know."""

    server: Server
    name: str
    kind: str
    is_recursive: bool = True

    def reply(self, failure: Failure, said: str) -> Reply:
        """A reply that is no answer."""
        detail = f"{self.server.shown}: {self.name} {self.kind}: {said}"
        return Reply(failure=failure, server=self.server.shown, kind=self.kind, detail=detail)


def ask(questions: Iterable[Question], *, seconds: float) -> dict[Question, Reply]:
    """A reply to each question, all asked at the same time; silence for what took too long."""
    each = tuple(dict.fromkeys(questions))
    if not each or seconds <= 0:
        return {question: _unasked(question) for question in each}
    # An event loop of its own in a thread of its own: the caller's thread may be running one.
    run = partial(_run, each, seconds)
    (replies,) = in_parallel([run], seconds=seconds + 0.5)
    return replies or {question: _unasked(question) for question in each}


def _unasked(question: Question) -> Reply:
    return question.reply(Failure.SILENCE, "no answer in time")


def _run(questions: Sequence[Question], seconds: float) -> dict[Question, Reply]:
    return asyncio.run(_ask_all(questions, seconds))


async def _ask_all(questions: Sequence[Question], seconds: float) -> dict[Question, Reply]:
    lines = {question.server: _Line(question.server) for question in questions}
    tasks = [asyncio.create_task(lines[question.server].ask(question)) for question in questions]
    await asyncio.wait(tasks, timeout=seconds)
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    return {
        question: result if isinstance(result, Reply) else _unasked(question)
        for question, result in zip(questions, results, strict=True)
    }


class _Line:
    """The questions to one server: so many at once, and no more when it never answers."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.slots = asyncio.Semaphore(AT_ONCE)
        self.has_answered = False
        self.silences = 0

    async def ask(self, question: Question) -> Reply:
        async with self.slots:
            if self.silences >= SILENCES_ENOUGH and not self.has_answered:
                return _unasked(question)
            reply = await self._settled(question)
            if reply.failure is Failure.SILENCE:
                self.silences += 1
            else:
                self.has_answered = True
            return reply

    async def _settled(self, question: Question) -> Reply:
        """A SERVFAIL only once it is certain, and known for DNSSEC's when it is (RFC 4035 §5.5)."""
        reply = await self._reply(question)
        if reply.failure is not Failure.BROKEN:
            return reply
        unchecked = await self._reply(question, is_unchecked=True)
        again = await self._reply(question)
        if again.failure is not Failure.BROKEN:
            return again
        if unchecked.failure not in {None, Failure.NO_SUCH_NAME}:
            return again
        said = f"{again.detail}; not validated: {unchecked.detail}"
        return dataclasses.replace(again, failure=Failure.BOGUS, detail=said)

    async def _reply(self, question: Question, *, is_unchecked: bool = False) -> Reply:
        said = "no answer"
        for seconds in TRIES:
            try:
                message = await self._exchange(question, seconds, is_unchecked=is_unchecked)
                return _read(question, message)
            except dns.exception.Timeout:
                continue
            except (EOFError, OSError) as error:
                said = str(error) or "the connection was cut"
                if isinstance(error, ConnectionError | EOFError):
                    continue
                break
            except Exception as error:  # whatever a server sends, it is the server's
                return question.reply(Failure.ODD, repr(error))
        return question.reply(Failure.SILENCE, said)

    async def _exchange(
        self, question: Question, seconds: float, *, is_unchecked: bool
    ) -> dns.message.Message:
        flags = (dns.flags.RD if question.is_recursive else 0) | (
            dns.flags.CD if is_unchecked else 0
        )
        make = partial(dns.message.make_query, f"{question.name}.", question.kind, flags=flags)
        message = await self._sent(make(use_edns=0, payload=_PAYLOAD), seconds)
        if message.rcode() in _WITHOUT_EDNS:
            message = await self._sent(make(use_edns=-1), seconds)
        return message

    async def _sent(self, query: dns.message.Message, seconds: float) -> dns.message.Message:
        message, _is_stream = await dns.asyncquery.udp_with_fallback(
            query,
            self.server.address,
            timeout=seconds,
            port=self.server.port,
            ignore_unexpected=True,
        )
        return message


def _read(question: Question, message: dns.message.Message) -> Reply:
    failure = _FAILURES.get(message.rcode(), Failure.ODD)
    aliases = _aliases(message, dns.name.from_text(f"{question.name}."))
    records = [
        record
        for rrset in message.answer
        if rrset.rdtype == dns.rdatatype.from_text(question.kind)
        for record in rrset
    ]
    said = [f"alias of {alias}" for alias in aliases]
    said += [str(record) for record in records if question.kind != "CNAME"]
    said += [dns.rcode.to_text(message.rcode())] if failure or not records else []
    said += [option.to_text() for option in message.extended_errors()]
    addresses = records if question.kind in ADDRESS_KINDS else []
    return Reply(
        addresses=tuple(ipaddress.ip_address(record.address) for record in addresses),
        failure=failure,
        server=question.server.shown,
        kind=question.kind,
        aliases=aliases,
        properties=tuple(_property(record) for record in records if question.kind == "CAA"),
        hosts=tuple(_lower(each.target) for each in records if question.kind == "NS"),
        is_authoritative=bool(message.flags & dns.flags.AA),
        ttl=_ttl(message),
        detail=f"{question.server.shown}: {question.name} {question.kind}: {', '.join(said)}",
    )


def _property(record: dns.rdtypes.ANY.CAA.CAA) -> Property:
    return Property(record.flags, _text(record.tag), _text(record.value))


def _aliases(message: dns.message.Message, name: dns.name.Name) -> tuple[str, ...]:
    """The names that the asked one stands for, one after another."""
    targets = {
        rrset.name: rrset[0].target
        for rrset in message.answer
        if rrset.rdtype == dns.rdatatype.CNAME
    }
    chain: list[dns.name.Name] = []
    while name in targets and len(chain) < _LONGEST_CHAIN and targets[name] not in chain:
        name = targets[name]
        chain.append(name)
    return tuple(map(_lower, chain))


def _lower(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _ttl(message: dns.message.Message) -> int | None:
    """How long the answer, also a negative one (RFC 2308 §5), may be remembered."""
    times = [rrset.ttl for rrset in message.answer]
    times += [
        min(rrset.ttl, record.minimum)
        for rrset in message.authority
        for record in rrset
        if isinstance(record, dns.rdtypes.ANY.SOA.SOA)
    ]
    return min(times, default=None)


def _text(value: bytes) -> str:
    return value.decode("ascii", errors="backslashreplace")
