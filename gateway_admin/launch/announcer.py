"""Says on the terminal that the console is there, and where; then ends.

A program of its own, run without site-packages, so that it starts at once. Standard library only.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

# Seconds. Often while everything is about to be there, seldom once something seems to be wrong.
POLL = 0.05
POLL_LATER = 1.0
SOON = 15.0
PATIENCE = 60.0
REQUEST_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class DemoFacts:
    """The demo's CA and DNS server; ``roots`` is the file that appears once they answer."""

    staging_url: str
    production_url: str
    roots: Path
    dns: str


@dataclass(frozen=True, slots=True)
class Arguments:
    """What is to be announced, and where the console can be asked how it is."""

    url: str
    connect_host: str
    port: int
    data_dir: Path
    demo: DemoFacts | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """What /healthz said: the status code, 0 for no answer, and the body."""

    status: int
    body: bytes = b""

    @property
    def is_good(self) -> bool:
        """Whether everything is alive."""
        return self.status == 200


def to_command_line(arguments: Arguments) -> tuple[str, ...]:
    """The arguments as from_command_line() reads them again."""
    console = (arguments.url, arguments.connect_host, str(arguments.port), str(arguments.data_dir))
    if (demo := arguments.demo) is None:
        return console
    return (*console, "--demo", demo.staging_url, demo.production_url, str(demo.roots), demo.dns)


def from_command_line(values: Sequence[str]) -> Arguments:
    """The reverse of to_command_line(); wrong usage ends the process with status 2."""
    parser = argparse.ArgumentParser(prog="announcer")
    parser.add_argument("url")
    parser.add_argument("connect_host")
    parser.add_argument("port", type=int)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--demo", nargs=4, metavar=("STAGING", "PRODUCTION", "ROOTS", "DNS"))
    given = parser.parse_args(values)
    demo = None
    if given.demo:
        staging, production, roots, dns = given.demo
        demo = DemoFacts(staging, production, Path(roots), dns)
    return Arguments(given.url, given.connect_host, given.port, given.data_dir, demo)


def ask(host: str, port: int, *, tls: bool = False) -> Health:
    """GET /healthz once. By the name localhost, which the console always answers to."""
    request = (
        b"GET /healthz HTTP/1.0\r\nHost: localhost\r\nX-Forwarded-Proto: https\r\n"
        b"User-Agent: gateway-admin-announcer\r\n\r\n"
    )
    try:
        with (
            socket.create_connection((host, port), timeout=REQUEST_TIMEOUT) as plain,
            _secured(plain) if tls else plain as connection,
        ):
            connection.sendall(request)
            with connection.makefile("rb") as stream:
                answer = stream.read(65536)
    except OSError:
        return Health(0)
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    is_http = len(words) > 1 and words[0].startswith(b"HTTP/1.") and words[1].isdigit()
    return Health(int(words[1]) if is_http else 0, body)


def _secured(connection: socket.socket) -> socket.socket:
    """The same over TLS, whoever it is: nothing is told there, and only /healthz is believed."""
    import ssl  # noqa: PLC0415 (takes as long to load as all else here)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection)


def complaint(health: Health) -> str:
    """What is not there yet, in one line."""
    if not health.status:
        return "the console does not answer"
    try:
        document = json.loads(health.body)
    except ValueError:
        return f"/healthz answers with status {health.status}"
    down = sorted(_down(document))
    return f"down: {', '.join(down)}" if down else f"/healthz answers with status {health.status}"


def _down(document: object) -> set[str]:
    """The names, at any depth, of components that are said to be down."""
    if not isinstance(document, dict):
        return set()
    names: set[str] = set()
    for name, value in document.items():
        if isinstance(value, dict):
            names |= _down(value)
        elif value == "down" and name != "status":
            names.add(str(name))
    return names


def wait_for(condition: Callable[[], bool], trouble: Callable[[], str]) -> None:
    """Wait without end, but after a minute say once on standard error what is missing."""
    begin = time.monotonic()
    complained = False
    while not condition():
        waited = time.monotonic() - begin
        if waited > PATIENCE and not complained:
            _write(2, f"Gateway Admin is not ready yet; {trouble()}. Still waiting.")
            complained = True
        time.sleep(POLL if waited < SOON else POLL_LATER)


def _write(descriptor: int, *lines: str) -> None:
    with contextlib.suppress(OSError):  # whoever started us may have closed the terminal
        os.write(descriptor, "".join(f"{line}\n" for line in lines).encode())


def announce_demo(demo: DemoFacts) -> None:
    """Print the demo's two lines once its CAs answer, of which the roots' file is the sign."""
    logs = demo.roots.parent
    wait_for(demo.roots.exists, lambda: f"the demo's CA does not answer, see {logs}/*.log")
    _write(
        1,
        f"Demo CA: staging {demo.staging_url} production {demo.production_url} roots {demo.roots}",
        f"Demo DNS: {demo.dns}",
    )


def announce(arguments: Arguments) -> None:
    """Print the ready line once everything is alive, and the setup link until it is used."""
    last = Health(0)
    is_tls = arguments.url.startswith("https:")

    def is_good() -> bool:
        nonlocal last
        last = ask(arguments.connect_host, arguments.port, tls=is_tls)
        return last.is_good

    wait_for(is_good, lambda: complaint(last))
    lines = [f"Gateway Admin is ready at {arguments.url}"]
    with contextlib.suppress(OSError):  # no file: somebody has claimed the console
        token = (arguments.data_dir / "setup-token").read_text().strip()
        lines.append(f"Set up at {arguments.url}/setup/?token={token}")
    _write(1, *lines)


def main(values: Sequence[str]) -> None:
    """Announce what there is to announce."""
    arguments = from_command_line(values)
    if arguments.demo:
        announce_demo(arguments.demo)
    announce(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
