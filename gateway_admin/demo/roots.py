"""Keeps roots.pem: the roots of the demo's two CAs, which Pebble makes anew at each of its starts.

A process of its own, standard library only. It notices a restarted CA by the end of an idle
connection, so that the file is right again within a moment, without polling.
"""

from __future__ import annotations

import argparse
import http.client
import signal
import ssl
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

RETRY = 0.1
TIMEOUT = 5.0
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Authority:
    """One of the two CAs: the ports of its ACME server as clients see it and of its management."""

    name: str
    acme_port: int
    management_port: int


class RootsFile:
    """The file, complete or not there: it is first written when every CA's root is known."""

    def __init__(self, path: Path, https_ca: str, names: Sequence[str]) -> None:
        self._path = path
        self._https_ca = https_ca
        self._names = names
        self._roots: dict[str, str] = {}
        self._lock = threading.Lock()

    def put(self, name: str, root: str) -> None:
        """Note the present root of a CA and write the file, atomically."""
        with self._lock:
            self._roots[name] = root
            if len(self._roots) == len(self._names):
                temporary = self._path.with_name(f".{self._path.name}")
                temporary.write_text(text(self._https_ca, self._roots, self._names))
                temporary.replace(self._path)


def text(https_ca: str, roots: Mapping[str, str], names: Sequence[str]) -> str:
    """The file's text: each certificate below a line that says whose it is."""
    parts = [f"# The ACME servers' own HTTPS (demo)\n{https_ca}"]
    parts += [f"# Root of the {name} CA (demo, new at each start)\n{roots[name]}" for name in names]
    return "\n".join(f"{part.strip()}\n" for part in parts)


def follow(authority: Authority, context: ssl.SSLContext, file: RootsFile) -> None:
    """Put the CA's root into the file, now and after each of its restarts, without end."""
    while True:
        connection = http.client.HTTPSConnection(
            HOST, authority.management_port, timeout=TIMEOUT, context=context
        )
        try:
            root = get(connection, "/roots/0")
            _check_acme(authority, context)
            file.put(authority.name, root)
            _wait_for_end(connection)
        except (OSError, http.client.HTTPException):
            time.sleep(RETRY)
        finally:
            connection.close()


def get(connection: http.client.HTTPSConnection, path: str) -> str:
    """The body of an answer with status 200; anything else raises HTTPException or OSError."""
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        raise http.client.HTTPException(f"{path} answers with status {response.status}")
    return body.decode()


def _check_acme(authority: Authority, context: ssl.SSLContext) -> None:
    connection = http.client.HTTPSConnection(
        HOST, authority.acme_port, timeout=TIMEOUT, context=context
    )
    try:
        get(connection, "/dir")
    finally:
        connection.close()


def _wait_for_end(connection: http.client.HTTPSConnection) -> None:
    """Return, or raise OSError, when the server ends the connection, which it does by ending."""
    if connection.sock is not None:
        connection.sock.settimeout(None)
        connection.sock.recv(1)


def _authority(values: str) -> Authority:
    name, acme_port, management_port = values.split(":")
    return Authority(name, int(acme_port), int(management_port))


def main(arguments: Sequence[str]) -> None:
    """Run until killed."""
    parser = argparse.ArgumentParser(prog="roots")
    parser.add_argument("file", type=Path)
    parser.add_argument("https_ca", type=Path)
    parser.add_argument("authorities", type=_authority, nargs="+", metavar="NAME:ACME:MANAGEMENT")
    given = parser.parse_args(arguments)
    context = ssl.create_default_context(cafile=given.https_ca)
    names = [authority.name for authority in given.authorities]
    file = RootsFile(given.file, given.https_ca.read_text(), names)
    for authority in given.authorities:
        threading.Thread(target=follow, args=(authority, context, file), daemon=True).start()
    signal.pause()


if __name__ == "__main__":
    main(sys.argv[1:])
