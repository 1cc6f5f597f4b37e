"""Real ACME servers: Debian's Pebble, as staging and as production, each with a root of its own."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import requests

from tests.parts.pki import HttpsAuthority
from tests.parts.processes import Process, answers, find_program, free_port

NINETY_DAYS = 90 * 24 * 60 * 60


@dataclass(frozen=True)
class PebbleOptions:
    """How one server behaves; the defaults are a quick CA that never refuses a nonce."""

    nonce_reject_percent: int = 0
    authorization_reuse_percent: int = 0
    validity_seconds: int = NINETY_DAYS
    blocked_domains: tuple[str, ...] = ()
    chain_length: int = 1


class Pebble:
    """One ACME server. It validates HTTP-01 at ``http_port`` of what ``dns`` answers.

    ``directory_url`` is to be trusted with ``authority.bundle``.
    """

    def __init__(
        self,
        directory: Path,
        *,
        name: str,
        authority: HttpsAuthority,
        dns: str,
        http_port: int,
        options: PebbleOptions | None = None,
    ) -> None:
        self.name = name
        self.http_port = http_port
        self.port = free_port()
        self._directory = directory / name
        self._directory.mkdir(parents=True, exist_ok=True)
        self._authority = authority
        self._dns = dns
        self._management = free_port()
        self._options = options or PebbleOptions()
        self._files = authority.files
        self.start()

    @property
    def directory_url(self) -> str:
        """Where its ACME directory is."""
        return f"https://127.0.0.1:{self.port}/dir"

    def start(self) -> None:
        """Start it (again, on the same port: it forgets every account, order and its root)."""
        options = self._options
        config = self._directory / "config.json"
        config.write_text(
            json.dumps(
                {
                    "pebble": {
                        "listenAddress": f"127.0.0.1:{self.port}",
                        "managementListenAddress": f"127.0.0.1:{self._management}",
                        "certificate": str(self._files.certificate),
                        "privateKey": str(self._files.key),
                        "httpPort": self.http_port,
                        "tlsPort": free_port(),
                        "ocspResponderURL": "",
                        "externalAccountBindingRequired": False,
                        "domainBlocklist": list(options.blocked_domains),
                        "certificateValidityPeriod": options.validity_seconds,
                    }
                }
            )
        )
        self._process = Process(
            [
                find_program("pebble", package="pebble"),
                "-config",
                config,
                "-dnsserver",
                self._dns,
                "-strict=false",
            ],
            log=self._directory / "pebble.log",
            env={
                "PEBBLE_VA_NOSLEEP": "1",
                "PEBBLE_WFE_NONCEREJECT": str(options.nonce_reject_percent),
                "PEBBLE_AUTHZREUSE": str(options.authorization_reuse_percent),
                "PEBBLE_CHAIN_LENGTH": str(options.chain_length),
            },
        )
        self._process.wait_until(
            lambda: answers(self.port) and answers(self._management),
            f"Pebble ({self.name}) answers",
        )

    def stop(self) -> None:
        """End it; ``start()`` brings it back with nothing remembered."""
        self._process.kill()

    def root(self) -> str:
        """The PEM of the root that its certificates chain up to."""
        response = requests.get(
            f"https://127.0.0.1:{self._management}/roots/0",
            verify=str(self._authority.bundle),
            timeout=5,
        )
        response.raise_for_status()
        return response.text

    def requests(self) -> list[str]:
        """Every request since the first start, "METHOD /path" as its log has them."""
        return re.findall(r"(\w+ /\S*) -> calling handler\(\)", self._process.output())

    def issued_count(self) -> int:
        """How many certificates it has issued since the first start."""
        return self._process.output().count("Issued certificate serial")

    def placed_count(self) -> int:
        """How many orders it has accepted since the first start."""
        return self._process.output().count("Added order")

    def registered_count(self) -> int:
        """How many accounts it has made since the first start."""
        return self._process.output().count("accounts in memory")


@dataclass(frozen=True)
class TestAuthorities:
    """Staging and production, and everything the product must be told to use them."""

    __test__ = False

    staging: Pebble
    production: Pebble
    https: HttpsAuthority
    dns: str
    http_port: int

    def environment(self) -> dict[str, str]:
        """The product's environment variables for these servers."""
        return {
            "GATEWAY_ADMIN_ACME_STAGING_URL": self.staging.directory_url,
            "GATEWAY_ADMIN_ACME_PRODUCTION_URL": self.production.directory_url,
            "GATEWAY_ADMIN_ACME_CA_BUNDLE": str(self.https.bundle),
            "GATEWAY_ADMIN_DNS_SERVERS": self.dns,
            "GATEWAY_ADMIN_PUBLIC_NETWORKS": "127.0.0.0/8",
        }

    def environment_without_limits(self) -> dict[str, str]:
        """The same for whoever orders more than Let's Encrypt would let them."""
        return self.environment() | {"GATEWAY_ADMIN_RATE_LIMITS": "none"}

    def close(self) -> None:
        """End both."""
        self.staging.stop()
        self.production.stop()


def start_authorities(
    directory: Path, *, dns: str, http_port: int | None = None, options: PebbleOptions | None = None
) -> TestAuthorities:
    """Start a staging and a production server that validate at the same port."""
    https = HttpsAuthority(directory / "https")
    http_port = http_port or free_port()
    staging, production = (
        Pebble(directory, name=name, authority=https, dns=dns, http_port=http_port, options=options)
        for name in ("staging", "production")
    )
    return TestAuthorities(staging, production, https, dns, http_port)


class StartAuthorities(Protocol):
    """What the fixture ``start_acme`` is."""

    def __call__(
        self, options: PebbleOptions | None = None, *, http_port: int | None = None
    ) -> TestAuthorities:
        """Start a pair; see ``start_authorities``."""
        ...
