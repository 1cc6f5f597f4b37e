"""A DNS server whose zone and faults the tests decide, on real UDP and TCP sockets.

Answers as a recursive server does that knows only this zone. Runs inside a test, or as a program
of its own in a network namespace: see ``command``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

LONGEST_CHAIN = 11  # aliases that a resolver follows; more of them, or a loop, are SERVFAIL
_TTL = 60
_GARBAGE = b"\xff\xff this is not a DNS message"


class Fault:
    """What a name can suffer from; also each RCODE by its name, and ``SLOW`` with its seconds."""

    SERVFAIL = "servfail"
    BOGUS = "servfail-unless-cd"
    NXDOMAIN = "nxdomain"
    REFUSED = "refused"
    SILENT = "silent"
    TRUNCATED = "truncated"
    GARBAGE = "garbage"
    SLOW = "slow:"


@dataclasses.dataclass
class Zone:
    """Records by name and type in the zone file's spelling; faults by name and type or ``*``.

    With an ``origin`` it is that domain's own server: what it says of the domain is authoritative,
    of nothing else it says anything, and it asks nobody. ``negative_ttl``, in seconds, is that of
    an SOA record in answers without others (RFC 2308); 0 for none.
    """

    records: dict[str, dict[str, list[str]]] = dataclasses.field(default_factory=dict)
    faults: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    origin: str = ""
    negative_ttl: int = 0

    @classmethod
    def from_json(cls, text: str) -> Zone:
        """Raises ValueError or TypeError for what is not a zone."""
        return cls(**json.loads(text))

    def to_json(self) -> str:
        """The inverse of ``from_json``."""
        return json.dumps(dataclasses.asdict(self))

    def fault(self, name: str, kind: str) -> str:
        """The fault of the name for this type of question, or ""."""
        faults = self.faults.get(name, {})
        return faults.get(kind) or faults.get("*", "")

    def covers(self, name: str) -> bool:
        """Whether it is for this server to speak of the name."""
        return not self.origin or name == self.origin or name.endswith(f".{self.origin}")

    def holds(self, name: str) -> bool:
        """Whether the name exists, if only because there are names below it (RFC 8020)."""
        return any(held == name or held.endswith(f".{name}") for held in self.records)


class ZoneServer:
    """Listens while entered. ``zone`` may be changed at any time; ``asked`` is what was asked."""

    def __init__(self, zone: Zone | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.zone = zone or Zone()
        self.asked: list[tuple[str, str]] = []
        self.recursive = 0  # how many questions asked for recursion
        self.host, self.port = host, port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="zone server")
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None

    @property
    def address(self) -> str:
        """``host:port``, an IPv6 host in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def set(self, name: str, **records: str | list[str]) -> None:
        """All records of a name, by type: ``set("a.example", A="192.0.2.1")``."""
        self.zone.records[name] = {
            kind: [value] if isinstance(value, str) else value for kind, value in records.items()
        }

    def fail(self, name: str, fault: str, *, kind: str = "*") -> None:
        """Let the name suffer from this, for one type of question or for all."""
        self.zone.faults.setdefault(name, {})[kind] = fault

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> None:
        for _attempt in range(50):
            self._tcp = await asyncio.start_server(self._serve_stream, self.host, self.port)
            port = int(self._tcp.sockets[0].getsockname()[1])
            try:
                self._udp, _protocol = await self._loop.create_datagram_endpoint(
                    lambda: _Datagrams(self), (self.host, port)
                )
            except OSError:
                self._tcp.close()  # the other protocol's port of this number is somebody else's
                if self.port:
                    raise
                continue
            self.port = port
            return
        raise OSError("no port is free for both UDP and TCP")

    async def _close(self) -> None:
        if self._tcp:
            self._tcp.close()
        if self._udp:
            self._udp.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # lets the transports close their sockets

    async def answer(self, wire: bytes, *, is_stream: bool) -> bytes | None:
        """The answer to one message; None for silence."""
        try:
            query = dns.message.from_wire(wire)
            question = query.question[0]
        except (dns.exception.DNSException, IndexError):
            return None
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        self.recursive += bool(query.flags & dns.flags.RD)
        answering = _Answering(self.zone, query, is_stream=is_stream)
        fault = answering.run(name, kind)
        if fault == Fault.SILENT:
            return None
        if fault == Fault.GARBAGE:
            return wire[:2] + _GARBAGE
        await asyncio.sleep(answering.delay)
        size = 65535 if is_stream else max(512, query.payload)
        return answering.response.to_wire(max_size=size, prefer_truncation=True)

    async def _serve_stream(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                reply = await self.answer(await reader.readexactly(length), is_stream=True)
                if reply is not None:
                    writer.write(len(reply).to_bytes(2, "big") + reply)
                    await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.transport.abort()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: ZoneServer) -> None:
        self.server = server
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Before Python 3.12 it is one by its methods only.
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.ensure_future(self.reply(data, addr))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def reply(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = await self.server.answer(data, is_stream=False)
        if reply is not None and not self.transport.is_closing():
            self.transport.sendto(reply, addr)


class _Answering:
    """One question on its way through the zone; the outcome is ``response`` after ``delay`` s."""

    def __init__(self, zone: Zone, query: dns.message.Message, *, is_stream: bool) -> None:
        self.zone = zone
        self.is_stream = is_stream
        self.is_unchecked = bool(query.flags & dns.flags.CD)
        self.response = dns.message.make_response(query, recursion_available=not zone.origin)
        self.delay = 0.0

    def run(self, name: str, kind: str) -> str:
        """Fill the response; the fault that ended it, or ""."""
        if not self.zone.covers(name):
            return self._refuse(dns.rcode.REFUSED)
        if self.zone.origin:
            self.response.flags |= dns.flags.AA
        for _alias in range(LONGEST_CHAIN + 1):
            if fault := self._suffer(name, kind):
                return fault
            target = self._step(name, kind)
            if not target or not self.zone.covers(target):
                return ""
            name = target
        return self._refuse(dns.rcode.SERVFAIL)

    def _suffer(self, name: str, kind: str) -> str:
        fault = self.zone.fault(name, kind)
        if fault.startswith(Fault.SLOW):
            self.delay += float(fault.removeprefix(Fault.SLOW))
            return ""
        if fault == Fault.BOGUS:
            return "" if self.is_unchecked else self._refuse(dns.rcode.SERVFAIL)
        if fault == Fault.TRUNCATED:
            if self.is_stream:
                return ""
            self.response.flags |= dns.flags.TC
            self.response.answer.clear()
            return fault
        if fault == Fault.NXDOMAIN:
            self.response.set_rcode(dns.rcode.NXDOMAIN)
            return fault
        if fault in {"", Fault.SILENT, Fault.GARBAGE}:
            return fault
        return self._refuse(dns.rcode.from_text(fault))

    def _refuse(self, code: dns.rcode.Rcode) -> str:
        self.response.answer.clear()
        self.response.set_rcode(code)
        return dns.rcode.to_text(code)

    def _step(self, name: str, kind: str) -> str:
        """Add what the zone holds for the name; where it goes on, or ""."""
        records = self.zone.records.get(name, {})
        for held in (kind, "CNAME"):
            if values := records.get(held):
                if held in {"CNAME", "NS"}:
                    values = [f"{value.rstrip('.')}." for value in values]
                self.response.answer.append(
                    dns.rrset.from_text(f"{name}.", _TTL, "IN", held, *values)
                )
                return values[0].rstrip(".").lower() if held != kind else ""
        if not self.zone.holds(name):
            self.response.set_rcode(dns.rcode.NXDOMAIN)
        if seconds := self.zone.negative_ttl:
            owner, said = f"{name.partition('.')[2]}.", f"ns. host. 1 7200 900 1209600 {seconds}"
            self.response.authority.append(dns.rrset.from_text(owner, seconds, "IN", "SOA", said))
        return ""


class _File:
    """A zone file that is read again whenever it changes; half-written ones are passed over."""

    def __init__(self, path: Path, server: ZoneServer) -> None:
        self.path, self.server = path, server
        self.seen: tuple[int, int] = (0, 0)

    async def follow(self, every: float = 0.05) -> None:
        """Keep the server's zone as the file says, for ever."""
        while True:
            with contextlib.suppress(OSError, ValueError, TypeError):
                found = self.path.stat()
                if (found.st_mtime_ns, found.st_size) != self.seen:
                    self.server.zone = Zone.from_json(self.path.read_text())
                    self.seen = (found.st_mtime_ns, found.st_size)
            await asyncio.sleep(every)


def command(listen: str, zone: Path) -> list[str]:
    """The command line of the server as a program; ``listen`` is ``address:port``.

    -P, because this file's folder would otherwise come before the package called dns.
    """
    return [sys.executable, "-P", __file__, "--listen", listen, "--zone", str(zone)]


def main() -> None:
    """Serve one zone file until killed; says "listening" on standard output once it does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", required=True, metavar="ADDRESS:PORT")
    parser.add_argument("--zone", required=True, type=Path, metavar="FILE.json")
    options = parser.parse_args()
    host, _colon, port = options.listen.rpartition(":")
    zone = Zone.from_json(options.zone.read_text())
    with ZoneServer(zone, host=host.strip("[]"), port=int(port)) as server:
        sys.stdout.write(f"listening on {server.address}\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_File(options.zone, server).follow())


if __name__ == "__main__":
    main()
