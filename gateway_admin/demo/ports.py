"""Ports for the demo's servers: free ones, chosen once and kept as long as nobody else has them."""

from __future__ import annotations

import dataclasses
import random
import socket
import time
from collections.abc import Collection, Mapping

from gateway_admin.launch.errors import LaunchError

HOST = "127.0.0.1"
# Below the range from which the kernel takes ports for outgoing connections.
CANDIDATES = range(20000, 30000)
PREFIX = "GATEWAY_ADMIN_DEMO_"
# Whoever has a kept port may be about to go: a run that has just been ended, or a program that asks
# a name server from it. Seconds, for all ports together.
PATIENCE = 3.0


@dataclasses.dataclass(frozen=True, slots=True)
class Ports:
    """Every port of the demo; ``public_port`` plays port 80 of the router's public address."""

    public_port: int
    dns_port: int
    dns_management_port: int
    staging_port: int
    staging_management_port: int
    production_port: int
    production_management_port: int
    # In front of the staging CA when the CAA fault is asked for.
    proxy_port: int


def is_free(port: int) -> bool:
    """Whether a server could listen on it, for TCP and UDP."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as trial:
            # Not for datagrams, where it would allow a second server beside the first.
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind == socket.SOCK_STREAM)
            try:
                trial.bind((HOST, port))
            except OSError:
                return False
    return True


def _is_free_by(until: float, port: int) -> bool:
    """Whether the port is free now, or is by that moment of the monotonic clock."""
    while not is_free(port):
        if time.monotonic() >= until:
            return False
        time.sleep(0.05)
    return True


def choose(avoid: Collection[int]) -> int:
    """A free port that is none of ``avoid``; raises LaunchError when there is none."""
    candidates = [port for port in CANDIDATES if port not in avoid]
    random.SystemRandom().shuffle(candidates)
    for port in candidates:
        if is_free(port):
            return port
    raise LaunchError("The demo needs free ports from 20000 to 29999, but all are taken.")


def assign(kept: Mapping[str, str], avoid: Collection[int]) -> Ports:
    """The ports of demo.env where they are still free and allowed, else new ones."""
    used = set(avoid)
    until = time.monotonic() + PATIENCE
    chosen: dict[str, int] = {}
    for field in dataclasses.fields(Ports):
        text = kept.get(variable(field.name), "")
        port = int(text) if text.isascii() and text.isdigit() else 0
        if port not in CANDIDATES or port in used or not _is_free_by(until, port):
            port = choose(used)
        used.add(port)
        chosen[field.name] = port
    return Ports(**chosen)


def to_settings(ports: Ports) -> Mapping[str, str]:
    """The lines of demo.env that keep them."""
    return {variable(name): str(port) for name, port in dataclasses.asdict(ports).items()}


def variable(field: str) -> str:
    """The name in demo.env of a field of Ports."""
    return f"{PREFIX}{field.upper()}"
