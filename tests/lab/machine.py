"""A machine of the lab that the product runs on, and what a test does to it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.lab.namespaces import Namespace
from tests.lab.remote import Remote
from tests.parts.processes import Process
from tests.parts.product import clean_environment

_WATCH = """
table inet watch {
    set four { type ipv4_addr . inet_service; flags dynamic; }
    set six { type ipv6_addr . inet_service; flags dynamic; }
    chain output {
        type filter hook output priority filter; policy accept;
        meta nfproto ipv4 tcp flags & (syn | ack) == syn add @four { ip daddr . tcp dport }
        meta nfproto ipv6 tcp flags & (syn | ack) == syn add @six { ip6 daddr . tcp dport }
    }
}
"""
_SEEN = re.compile(r"([0-9a-f.:]+) \. (\d+)")


class Machine:
    """A machine with the product on it: a challenge process, and whoever runs the preflight."""

    def __init__(
        self, where: Namespace, directory: Path, environment: Mapping[str, str], resolver: str
    ) -> None:
        self.where = where
        self.settings = ("", 0)
        self.when_looked: Callable[[], object] = lambda: None
        self.environment = clean_environment() | dict(environment)
        self.environment["GATEWAY_ADMIN_DATA_DIR"] = str(directory / where.name)
        (directory / where.name).mkdir()
        self.remote = Remote(directory / f"{where.name}.sock")
        configuration = directory / f"{where.name}.resolv.conf"
        configuration.write_text(f"nameserver {resolver}\noptions timeout:1 attempts:1\n")
        where.run(f"mount --bind {configuration} /etc/resolv.conf")
        self._program = start_program(where, "gateway", self.remote, env=self.environment)

    def preflight(self, names: Sequence[str], dns_servers: Sequence[str] = ()) -> dict[str, Any]:
        """What the preflight of these names comes to, and the seconds that it took."""
        found: dict[str, Any] = self.remote.call(
            "preflight", names=list(names), dns_servers=list(dns_servers)
        )
        return found

    def start_responder(self, **environment: str) -> None:
        """Start the challenge process."""
        self.responder = self.where.start(
            "challenges", [sys.executable, "-m", "challenges"], self.environment | environment
        )

    def wait(self) -> None:
        """Until preflights can be run."""
        self._program.wait_until(self.remote.is_there, f"The product on {self.where.name} answers")

    def wait_for_port(self, port: int | None) -> None:
        """Until the challenge process serves that port, or says why it serves none."""

        def serves() -> bool:
            row = self.remote.call("listener")
            is_it = row.get("pid") == self.responder.pid and row["port"] == port
            return is_it and (port is not None or bool(row["error"]))

        self.responder.wait_until(serves, f"The challenge port is {port}")

    def is_listening(self, port: int) -> bool:
        """Whether any program here has that TCP port."""
        return f":{port} " in self.where.run(f"ss -Hltn sport = :{port}")

    @contextlib.contextmanager
    def without_responder(self, ending: Callable[[], object] | None = None) -> Iterator[None]:
        """While its challenge process does not run, or has been ended otherwise."""
        (ending or self.responder.kill)()
        try:
            yield
        finally:
            self.start_responder()
            self.wait_for_port(self.settings[1])

    @contextlib.contextmanager
    def with_responder_on(self, hosts: str) -> Iterator[None]:
        """While its challenge process listens on these addresses."""
        port = self.settings[1]
        self.responder.kill()
        self.start_responder(GATEWAY_ADMIN_CHALLENGE_HOST=hosts)
        self.wait_for_port(port)
        try:
            yield
        finally:
            self.responder.kill()
            self.start_responder()
            self.wait_for_port(port)

    @contextlib.contextmanager
    def with_hanging_responder(self) -> Iterator[None]:
        """While its challenge process accepts connections and does nothing."""
        with self.without_responder(ending=self._freeze):
            yield

    def _freeze(self) -> None:
        os.killpg(self.responder.pid, signal.SIGSTOP)
        # What waits for it need not wait for long once it has been looked at.
        self.when_looked = self.responder.kill

    @contextlib.contextmanager
    def with_rules(self, ruleset: str) -> Iterator[None]:
        """While its own packet filter has these rules."""
        self.where.rules(ruleset)
        try:
            yield
        finally:
            self.where.rules("")

    @contextlib.contextmanager
    def watched(self) -> Iterator[Callable[[], set[tuple[str, int]]]]:
        """What is yielded tells where its programs have begun TCP connections to since."""
        with self.with_rules(_WATCH):
            yield lambda: {
                (address, int(port))
                for address, port in _SEEN.findall(self.where.run("nft -n list ruleset"))
            }

    @contextlib.contextmanager
    def with_network(self, change: str, back: str) -> Iterator[None]:
        """While a script has changed its network, until another one changes it back."""
        self.where.run(change)
        try:
            yield
        finally:
            self.where.run(back)

    @contextlib.contextmanager
    def with_account(self, url: str, staging_url: str = "") -> Iterator[None]:
        """While the product has an account of this address at the CA, or two."""
        self.remote.call("remember_accounts", url=url, staging_url=staging_url)
        try:
            yield
        finally:
            self.remote.call("remember_accounts", url="", staging_url="")

    @contextlib.contextmanager
    def with_proxy(self, url: str) -> Iterator[None]:
        """While the product is told to use this proxy for HTTPS."""
        self.remote.call("use_proxy", url=url)
        try:
            yield
        finally:
            self.remote.call("use_proxy", url="")

    @contextlib.contextmanager
    def with_settings(self, scenario: str, port: int) -> Iterator[None]:
        """While its network settings are these."""
        before = self.settings
        try:
            self.configure(scenario, port)
            yield
        finally:
            self.configure(*before)

    @contextlib.contextmanager
    def with_refused_port(self, scenario: str, port: int) -> Iterator[None]:
        """While the settings ask for a port that the challenge process does not get."""
        self.remote.call("configure", scenario=scenario, challenge_port=port)
        try:
            self.responder.wait_until(
                lambda: self.remote.call("listener")["error"], "The challenge port is refused"
            )
            yield
        finally:
            self.configure(*self.settings)

    def configure(self, scenario: str, port: int) -> None:
        """Choose the network settings, and wait until the challenge process follows."""
        self.remote.call("configure", scenario=scenario, challenge_port=port)
        self.wait_for_port(port)
        self.settings = (scenario, port)


def start_program(
    where: Namespace,
    module: str,
    remote: Remote,
    *arguments: str,
    env: Mapping[str, str] | None = None,
) -> Process:
    """Start a program of the lab's own, which ``remote`` then talks to."""
    command = [sys.executable, "-m", f"tests.lab.{module}", str(remote.path), *arguments]
    return where.start(module, command, env)
