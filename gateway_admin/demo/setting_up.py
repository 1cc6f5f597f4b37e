"""Sets the demo up in a data directory and names its programs: two CAs, DNS server, router.

The CAs keep Pebble's habit of rejecting one nonce in twenty, since real ones do so now and then and
the client has to cope. They reuse no authorization (PEBBLE_AUTHZREUSE=0), although Let's Encrypt
does: after one success in the demo the staging test would otherwise skip, half of the time, the
very validation that a broken router or a changed challenge port is meant to make fail.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway_admin.demo import https, packages, ports, router, settings_file
from gateway_admin.demo.https import HttpsFiles
from gateway_admin.demo.ports import HOST, Ports
from gateway_admin.launch.announcer import DemoFacts
from gateway_admin.launch.options import Fault
from gateway_admin.launch.programs import Program

# Seconds: Let's Encrypt's 90 days, where Pebble's default is five years.
CERTIFICATE_LIFETIME = 90 * 24 * 60 * 60
PEBBLE_ENVIRONMENT = (
    ("PEBBLE_VA_NOSLEEP", "1"),
    ("PEBBLE_VA_ALWAYS_VALID", "0"),
    ("PEBBLE_WFE_NONCEREJECT", "5"),
    ("PEBBLE_AUTHZREUSE", "0"),
)
# Without site-packages, to start at once and stay small; the checkout is the working directory.
BARE_PYTHON = (sys.executable, "-E", "-S", "-m")


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo that is ready to be started."""

    directory: Path
    ports: Ports
    https: HttpsFiles
    fault: Fault | None
    avoid: frozenset[int]

    @property
    def staging_port(self) -> int:
        """Where clients reach the staging CA."""
        return self.ports.proxy_port if self.fault is Fault.CAA else self.ports.staging_port

    @property
    def facts(self) -> DemoFacts:
        """What `run` says about it."""
        return DemoFacts(
            staging_url=_directory_url(self.staging_port),
            production_url=_directory_url(self.ports.production_port),
            roots=self.directory / "roots.pem",
            dns=f"{HOST}:{self.ports.dns_port}",
        )

    def free_port(self) -> int:
        """A port that nobody has, for the challenge responder."""
        return ports.choose(self.avoid)

    def programs(self, challenge_port: int) -> tuple[Program, ...]:
        """The demo's programs; the port given becomes the router's rule if it has none yet."""
        programs = [self._dns(), *self._authorities(), self._roots()]
        if self.fault is Fault.CAA:
            programs.append(self._caa_proxy())
        if self.fault is not Fault.CLOSED_PORT:
            programs.append(self._router(self._rule(challenge_port)))
        return tuple(programs)

    def settings(self) -> Mapping[str, str]:
        """The lines of demo.env."""
        facts = self.facts
        return {
            "GATEWAY_ADMIN_DEMO": "1",
            "GATEWAY_ADMIN_ACME_STAGING_URL": facts.staging_url,
            "GATEWAY_ADMIN_ACME_PRODUCTION_URL": facts.production_url,
            "GATEWAY_ADMIN_ACME_CA_BUNDLE": str(self.https.ca),
            "GATEWAY_ADMIN_DNS_SERVERS": facts.dns,
            "GATEWAY_ADMIN_PUBLIC_NETWORKS": "127.0.0.0/8",
            "GATEWAY_ADMIN_CHALLENGE_HOST": HOST,
            "GATEWAY_ADMIN_DEMO_FAULT": self.fault or "",
            **ports.to_settings(self.ports),
        }

    def _rule(self, challenge_port: int) -> str:
        file = self.directory / "router-rule"
        if not file.exists():
            settings_file.replace(file, f"{challenge_port}\n")
        return file.read_text().strip()

    def _dns(self) -> Program:
        """Any name resolves to this machine, or, with the fault, to nothing at all."""
        address = "" if self.fault is Fault.NO_DNS else HOST
        command = (
            *("pebble-challtestsrv", "-dns01", f"{HOST}:{self.ports.dns_port}"),
            *("-management", f"{HOST}:{self.ports.dns_management_port}"),
            *("-defaultIPv4", address, "-defaultIPv6", ""),
            *("-http01", "", "-https01", "", "-tlsalpn01", ""),
        )
        return Program("demo-dns", command, log=Path("demo/dns.log"))

    def _authorities(self) -> tuple[Program, Program]:
        here = self.ports
        return (
            self._pebble("staging", here.staging_port, here.staging_management_port),
            self._pebble("production", here.production_port, here.production_management_port),
        )

    def _pebble(self, name: str, port: int, management_port: int) -> Program:
        configuration = {
            "listenAddress": f"{HOST}:{port}",
            "managementListenAddress": f"{HOST}:{management_port}",
            "certificate": str(self.https.certificate),
            "privateKey": str(self.https.key),
            "httpPort": self.ports.public_port,
            "tlsPort": self.ports.public_port,
            "certificateValidityPeriod": CERTIFICATE_LIFETIME,
        }
        file = self.directory / f"{name}.json"
        settings_file.replace(file, json.dumps({"pebble": configuration}, indent=2) + "\n")
        command = ("pebble", "-config", str(file), "-dnsserver", f"{HOST}:{self.ports.dns_port}")
        return Program(f"demo-{name}", command, PEBBLE_ENVIRONMENT, log=Path(f"demo/{name}.log"))

    def _roots(self) -> Program:
        here = self.ports
        command = (
            *(*BARE_PYTHON, "gateway_admin.demo.roots"),
            *(str(self.facts.roots), str(self.https.ca)),
            f"production:{here.production_port}:{here.production_management_port}",
            f"staging:{self.staging_port}:{here.staging_management_port}",
        )
        return Program("demo-roots", command)

    def _caa_proxy(self) -> Program:
        files = (self.https.ca, self.https.certificate, self.https.key)
        command = (
            *(*BARE_PYTHON, "gateway_admin.demo.caa_proxy"),
            *(str(self.ports.proxy_port), str(self.ports.staging_port), *map(str, files)),
        )
        return Program("demo-caa", command)

    def _router(self, rule: str) -> Program:
        target = router.LOGIN_PAGE if self.fault is Fault.WRONG_TARGET else rule
        command = (*BARE_PYTHON, "gateway_admin.demo.router", str(self.ports.public_port), target)
        return Program("demo-router", command)


def _directory_url(port: int) -> str:
    return f"https://{HOST}:{port}/dir"


def set_up(data_dir: Path, fault: Fault | None, avoid: Collection[int]) -> Demo:
    """Make the directory a demo, with the surroundings that ``fault`` breaks, or none.

    ``avoid`` are ports that the demo must leave alone. Raises LaunchError or OSError.
    """
    packages.ensure_pebble()
    directory = data_dir / "demo"
    directory.mkdir(mode=0o700, exist_ok=True)
    chosen = ports.assign(settings_file.read(data_dir), avoid)
    taken = frozenset(avoid) | {int(port) for port in ports.to_settings(chosen).values()}
    demo = Demo(directory, chosen, https.ensure(directory), fault, taken)
    # The roots of the last run are worth nothing any more; that they are gone is how the announcer
    # knows later that the CAs answer.
    demo.facts.roots.unlink(missing_ok=True)
    settings_file.write(data_dir, demo.settings())
    return demo
