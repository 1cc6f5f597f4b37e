"""One TLS connection, to see what arrives byte by byte."""

from __future__ import annotations

import http.client
import socket
import ssl
from pathlib import Path


class RawTls:
    """Asks with HTTP/1.1 and understands only what it is told to."""

    def __init__(self, port: int, bundle: Path) -> None:
        context = ssl.create_default_context(cafile=bundle)
        plain = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket = context.wrap_socket(plain, server_hostname="127.0.0.1")
        self._host = f"127.0.0.1:{port}"

    def ask(self, path: str = "/dir", method: str = "GET") -> None:
        """Send a request."""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n"
        self.socket.sendall(head.encode())

    def answer(self) -> tuple[http.client.HTTPResponse, bytes]:
        """Read a whole answer."""
        response = http.client.HTTPResponse(self.socket)
        response.begin()
        return response, response.read()

    def close(self) -> None:
        """Leave."""
        self.socket.close()


def drain(connection: socket.socket) -> bytes:
    """What comes until the other side ends it."""
    return b"".join(iter(lambda: connection.recv(65536), b""))
