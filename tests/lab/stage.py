"""The lab as a whole: its machines, the programs on them, and what a test changes of both."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Self

from tests.lab import authority, network, web_servers
from tests.lab.machine import Machine, start_program
from tests.lab.network import Firewall, Network, Router
from tests.lab.remote import Remote
from tests.parts.processes import Process
from tests.parts.zones import Zone

ALWAYS = {authority.NAME: {"A": [authority.ADDRESS]}}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What the preflight found, and what the CA says at the same time.

    ``refusals`` are the CA's words for each name that it does not validate, and ``explained`` what
    the product makes of them, as Problems; ``visits`` is the evidence of the challenge port.
    """

    findings: tuple[dict[str, Any], ...]
    established: dict[str, str]
    seconds: float
    refusals: dict[str, str]
    explained: tuple[dict[str, Any], ...]
    visits: str


class Lab:
    """Everything, started; a context manager. ``reset`` makes all well again."""

    def __init__(self, directory: Path) -> None:
        self._everything = contextlib.ExitStack()
        self.directory = directory
        self._threads = ThreadPoolExecutor(1, "verdict")

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as begun:
            self.network = Network.make(self.directory)
            begun.callback(self.network.close)
            begun.callback(self._threads.shutdown)
            self._start()
            self._everything = begun.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._everything.close()

    def _start(self) -> None:
        files = authority.make_files(self.directory, authority.NAME)
        expired = authority.make_files(self.directory, "expired.example", is_over=True)
        net, directory = self.network, self.directory
        bundle = directory / "roots.pem"
        bundle.write_bytes(files.certificate.read_bytes() + expired.certificate.read_bytes())
        environment = {
            "GATEWAY_ADMIN_DNS_SERVERS": f"{network.RESOLVER},{network.SECOND_RESOLVER}",
            "GATEWAY_ADMIN_ACME_STAGING_URL": authority.STAGING_URL,
            "GATEWAY_ADMIN_ACME_PRODUCTION_URL": authority.DIRECTORY_URL,
            "GATEWAY_ADMIN_ACME_CA_BUNDLE": str(bundle),
        }
        self.gateway = Machine(net.gateway, directory, environment, network.ROUTER_LAN)
        self.server = Machine(net.server, directory, environment, network.RESOLVER)
        pebble = authority.start_pebble(net.internet, files, f"{network.RESOLVER}:53", directory)
        self._judge = Remote(directory / "judge.sock")
        self._public, self._local = (
            Remote(directory / f"{name}.sock") for name in ("public", "local")
        )
        resolvers = [
            start_program(
                net.internet,
                "resolver",
                self._public,
                f"{network.RESOLVER}:53",
                f"{network.SECOND_RESOLVER}:53",
            ),
            start_program(net.router, "resolver", self._local, f"{network.ROUTER_LAN}:53"),
        ]
        others = web_servers.start(net, files, expired, directory)
        pebble.wait_until(lambda: "Listening on" in pebble.output(), "Pebble listens")
        url = authority.DIRECTORY_URL.replace(authority.NAME, authority.ADDRESS)
        judge = start_program(net.internet, "verdicts", self._judge, url, str(files.certificate))
        for machine, settings in ((self.gateway, ("lan", 8080)), (self.server, ("external", 80))):
            machine.wait()
            machine.start_responder()
            machine.remote.call("configure", scenario=settings[0], challenge_port=settings[1])
            machine.settings = settings
        for process, remote in zip(resolvers, (self._public, self._local), strict=True):
            process.wait_until(remote.is_there, "The DNS server answers")
        for process in others:
            process.wait_until(partial(_says_listening, process), "The strangers listen")
        judge.wait_until(self._judge.is_there, "The ACME client answers")
        self.gateway.wait_for_port(8080)
        self.server.wait_for_port(80)
        self.reset()

    def set_router(self, router: Router) -> None:
        """The rules of the router in front of the LAN."""
        self.network.router.rules(router.ruleset())

    def set_firewall(self, firewall: Firewall) -> None:
        """The rules of the firewall in front of the external server."""
        self.network.firewall.rules(firewall.ruleset())

    def set_zones(
        self, public: Zone, *, second: Zone | None = None, local: Zone | None = None
    ) -> None:
        """What the public resolvers and the router's own answer, besides the CA's address.

        Where nothing else is said, all answer the same.
        """
        for remote, host, zone in (
            (self._public, network.RESOLVER, public),
            (self._public, network.SECOND_RESOLVER, second or public),
            (self._local, network.ROUTER_LAN, local or public),
        ):
            whole = dataclasses.replace(zone, records=ALWAYS | zone.records)
            remote.call("set_zone", host=host, zone=whole.to_json())

    def reset(self) -> None:
        """A router and a firewall that are set up well."""
        self.set_router(Router())
        self.set_firewall(Firewall())

    def look(
        self, machine: Machine, names: Sequence[str], dns_servers: Sequence[str] = ()
    ) -> Outcome:
        """Run the preflight of the names there, and have the CA validate them meanwhile."""
        authorizations = self._judge.call("order", names=list(names))
        machine.remote.call("place", names=list(names), authorizations=authorizations)
        verdict = self._threads.submit(self._judge.call, "verdict")
        found = machine.preflight(names, dns_servers)
        machine.when_looked()
        machine.when_looked = lambda: None
        refusals = verdict.result()
        ended = machine.remote.call("end", refusals=refusals)
        return Outcome(
            findings=tuple(found["findings"]),
            established=dict(found["established"]),
            seconds=found["seconds"],
            refusals={
                name: f"{error['type'].rpartition(':')[2]}: {error['detail']}"
                for name, error in refusals.items()
            },
            explained=tuple(ended["explained"][name] for name in refusals),
            visits=ended["visits"],
        )


def _says_listening(process: Process) -> bool:
    return "listening" in process.output()
