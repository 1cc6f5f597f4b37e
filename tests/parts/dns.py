"""A real DNS server whose answers the tests decide: Pebble's challenge test server."""

from __future__ import annotations

from pathlib import Path

import requests

from tests.parts.processes import Process, answers, find_program, free_port


class DnsServer:
    """Answers every A query with 127.0.0.1 and has no AAAA, unless told otherwise.

    ``address`` is "host:port". What a test sets is taken back by ``reset()``.
    """

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        management = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._management = f"http://127.0.0.1:{management}"
        self._undo: list[tuple[str, dict[str, object]]] = []
        program = find_program("pebble-challtestsrv", package="pebble")
        disabled = ["-http01", "", "-https01", "", "-tlsalpn01", ""]
        self._process = Process(
            [
                program,
                *disabled,
                "-dns01",
                self.address,
                "-management",
                f"127.0.0.1:{management}",
                "-defaultIPv4",
                "127.0.0.1",
                "-defaultIPv6",
                "",
            ],
            log=directory / "dns.log",
        )
        self._process.wait_until(
            lambda: answers(management) and answers(self.port), "The DNS server answers"
        )

    def set_addresses(self, name: str, *addresses: str) -> None:
        """The A (and, with a colon, AAAA) records of a name; without any, it has none."""
        self.clear(name)
        four = [address for address in addresses if ":" not in address]
        six = [address for address in addresses if ":" in address]
        if four:
            self._do("add-a", "clear-a", host=name, addresses=four)
        if six:
            self._do("add-aaaa", "clear-aaaa", host=name, addresses=six)

    def set_alias(self, name: str, target: str) -> None:
        """A CNAME record."""
        self._do("set-cname", "clear-cname", host=name, target=target)

    def set_failing(self, name: str) -> None:
        """Answer SERVFAIL for the name."""
        self._do("set-servfail", "clear-servfail", host=name)

    def set_caa(self, name: str, *issuers: str) -> None:
        """CAA records that let only these authorities issue."""
        policies = [{"tag": "issue", "value": issuer} for issuer in issuers]
        self._do("add-caa", "clear-caa", host=name, policies=policies)

    def set_default(self, address: str) -> None:
        """The IPv4 address of every name without records of its own; "" for none."""
        self._post("set-default-ipv4", {"ip": address})
        self._undo.append(("set-default-ipv4", {"ip": "127.0.0.1"}))

    def clear(self, name: str) -> None:
        """Forget the address records of a name."""
        for what in ("clear-a", "clear-aaaa"):
            self._post(what, {"host": name})

    def reset(self) -> None:
        """Take back everything that was set."""
        while self._undo:
            self._post(*self._undo.pop())

    def close(self) -> None:
        """End the server."""
        self._process.stop()

    def _do(self, what: str, undo: str, **body: object) -> None:
        self._post(what, {key: _absolute(key, value) for key, value in body.items()})
        self._undo.append((undo, {"host": _absolute("host", body["host"])}))

    def _post(self, what: str, body: dict[str, object]) -> None:
        if "host" in body:
            body = body | {"host": _absolute("host", body["host"])}
        requests.post(f"{self._management}/{what}", json=body, timeout=5).raise_for_status()


def _absolute(key: str, value: object) -> object:
    return f"{str(value).rstrip('.')}." if key in {"host", "target"} else value
