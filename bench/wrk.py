"""wrk, and what it says of a server."""

from __future__ import annotations

import dataclasses
import re
import subprocess

from tests.parts.processes import find_program

CONNECTIONS = 64
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclasses.dataclass(frozen=True)
class Load:
    """One run: requests a second, latencies in ms, sockets that failed, answers 4xx and 5xx."""

    rate: float
    p50: float
    p99: float
    socket_errors: int
    refused: int


def load(url: str, seconds: int, *, connections: int = CONNECTIONS, close: bool = False) -> Load:
    """Ask as fast as it answers, with ``close`` on a new connection each time.

    Raises PartError when wrk is missing and CalledProcessError when it cannot connect at all.
    """
    header = ("--header", "Connection: close") if close else ()
    command = [
        *(str(find_program("wrk", package="wrk")), "--threads", "2", "--latency"),
        *("--connections", str(connections), "--duration", f"{seconds}s", *header, url),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return parse(done.stdout)


def parse(text: str) -> Load:
    """What wrk has printed. Raises ValueError for anything else."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if rate is None:
        raise ValueError(f"wrk has said something else:\n{text}")
    errors = re.search(r"Socket errors: (.*)", text)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return Load(
        rate=float(rate[1]),
        p50=_latency(text, "50%"),
        p99=_latency(text, "99%"),
        socket_errors=sum(map(int, re.findall(r"\d+", errors[1]))) if errors else 0,
        refused=int(refused[1]) if refused else 0,
    )


def _latency(text: str, share: str) -> float:
    found = re.search(rf"^\s+{share}\s+([\d.]+)(us|ms|s|m)\s*$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"wrk has said nothing of {share}:\n{text}")
    return float(found[1]) * _UNITS[found[2]]
