"""Stands before the staging CA and lets every authorization fail as a CAA record would make it.

Pebble checks no CAA records. Everything is passed on; the CA really fetches the token, and only
where its answer says that this was enough does the client read a refusal. The Host header goes
through, so that the CA's own URLs lead to this proxy. A process of its own, standard library only.
"""

from __future__ import annotations

import argparse
import http.client
import json
import ssl
import sys
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
TIMEOUT = 30.0
# RFC 9110 §7.6.1, and what our own server and client write themselves.
NOT_PASSED_ON = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server", "te"}
)
# Statuses of an order (RFC 8555 §7.1.6) that it reaches by authorizations that are valid.
AUTHORIZED = frozenset({"ready", "processing", "valid"})


class Refusals:
    """Rewrites what the CA says; remembers which name a challenge is for (its token knows)."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def rewrite(self, document: Any) -> Any:
        """An ACME object as Boulder would show it after a refusal; other documents unchanged."""
        if not isinstance(document, dict):
            return document
        if "identifier" in document and "challenges" in document:
            return self._authorization(document)
        if "authorizations" in document and "finalize" in document:
            refused = document.get("status") in AUTHORIZED
            return document | {"status": "invalid"} if refused else document
        if "token" in document and document.get("status") == "valid":
            return _refused(document, self._names.get(document["token"], "the name"))
        return document

    def _authorization(self, document: dict[str, Any]) -> dict[str, Any]:
        name = document["identifier"]["value"]
        for challenge in document["challenges"]:
            self._names[challenge.get("token", "")] = name
        if document.get("status") != "valid":
            return document
        challenges = [
            _refused(challenge, name) if challenge.get("status") == "valid" else challenge
            for challenge in document["challenges"]
        ]
        return document | {"status": "invalid", "challenges": challenges}


def _refused(challenge: dict[str, Any], name: str) -> dict[str, Any]:
    error = {
        "type": "urn:ietf:params:acme:error:caa",
        "detail": f"While processing CAA for {name}: CAA record for {name} prevents issuance",
        "status": 403,
    }
    return challenge | {"status": "invalid", "error": error}


class Proxy(ThreadingHTTPServer):
    """One thread for each connection of a client, each with a connection to the CA."""

    daemon_threads = True

    def __init__(self, port: int, upstream_port: int, ca: Path) -> None:
        super().__init__((HOST, port), Handler)
        self.upstream_port = upstream_port
        self.upstream_context = ssl.create_default_context(cafile=ca)
        self.refusals = Refusals()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is not worth a traceback."""


class Handler(BaseHTTPRequestHandler):
    """Passes requests on and rewrites the answers."""

    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT
    server: Proxy

    def setup(self) -> None:
        """Called once for each connection."""
        super().setup()
        self.upstream = http.client.HTTPSConnection(
            HOST, self.server.upstream_port, timeout=TIMEOUT, context=self.server.upstream_context
        )

    def finish(self) -> None:
        """Called when the client's connection ends."""
        self.upstream.close()
        super().finish()

    def do_GET(self) -> None:
        """Pass the request on."""
        length = int(self.headers.get("Content-Length") or 0)
        try:
            response = self._ask(self.rfile.read(length))
            body = self._rewrite(response.read())
        except (OSError, http.client.HTTPException):
            self.upstream.close()
            self.send_error(502)
            return
        self.send_response_only(response.status)
        for name, value in response.getheaders():
            if name.lower() not in NOT_PASSED_ON:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_POST = do_HEAD = do_GET  # noqa: N815

    def _ask(self, body: bytes) -> http.client.HTTPResponse:
        self.upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in NOT_PASSED_ON | {"accept-encoding"}:
                self.upstream.putheader(name, value)
        self.upstream.putheader("Content-Length", str(len(body)))
        self.upstream.endheaders(body)
        return self.upstream.getresponse()

    def _rewrite(self, body: bytes) -> bytes:
        try:
            document = json.loads(body)
        except ValueError:  # a certificate, or nothing
            return body
        rewritten = self.server.refusals.rewrite(document)
        return body if rewritten is document else json.dumps(rewritten).encode()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """The CA keeps a log already."""


def main(arguments: Sequence[str]) -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="caa_proxy")
    for port in ("port", "upstream_port"):
        parser.add_argument(port, type=int)
    for path in ("ca", "certificate", "key"):
        parser.add_argument(path, type=Path)
    given = parser.parse_args(arguments)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(given.certificate, given.key)
    with Proxy(given.port, given.upstream_port, given.ca) as server:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
