"""A bare client to compare with: the acme library with keep-alive and polls of its own.

It stores nothing, checks nothing and answers its challenges from a dictionary in memory, so its
time is close to what the CA itself and the protocol take.
"""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from acme import challenges, client, messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.json_util import encode_b64jose
from josepy.jwa import ES256
from josepy.jwk import JWKEC

POLL = 0.01  # seconds


class Responder(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Answers challenges on the port where the CA looks: from memory, or from files."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, webroot: Path | None = None) -> None:
        self.answers: dict[str, bytes] = {}
        self.webroot = webroot
        super().__init__(("127.0.0.1", port), _Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Responder

    def do_GET(self) -> None:
        answer = self.server.answers.get(self.path, b"") or self._from_file()
        self.send_response(200 if answer else 404)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _from_file(self) -> bytes:
        file = self.server.webroot and self.server.webroot / Path(self.path).name
        return file.read_bytes() if file and file.is_file() else b""

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        """Say nothing."""


class Peer:
    """One registered account at one directory."""

    name = "acme library, own polling"

    def __init__(self, directory_url: str, bundle: Path, responder: Responder) -> None:
        key = JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
        self._net = client.ClientNetwork(key, alg=ES256)
        self._net.verify_ssl = str(bundle)  # type: ignore[assignment]  # as requests takes it
        directory = messages.Directory.from_json(self._net.get(directory_url).json())
        self._directory = directory
        self._responder = responder
        client.ClientV2(directory, self._net).new_account(
            messages.NewRegistration.from_data(terms_of_service_agreed=True)
        )

    def obtain(self, names: Sequence[str]) -> None:
        """One certificate: five requests, and two for each name."""
        key = ec.generate_private_key(ec.SECP256R1())
        csr = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(x509.Name([]))
            .add_extension(
                x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False
            )
            .sign(key, hashes.SHA256())
        )
        order_url, order = self._post(
            self._directory["newOrder"],
            {"identifiers": [{"type": "dns", "value": name} for name in names]},
        )
        for url in order["authorizations"]:
            self._prove(url)
        order = self._poll(order_url, "ready")
        der = csr.public_bytes(serialization.Encoding.DER)
        self._post(order["finalize"], {"csr": encode_b64jose(der)})
        order = self._poll(order_url, "valid")
        self._net.post(order["certificate"], _Body(None), new_nonce_url=self._directory["newNonce"])

    def _prove(self, authorization_url: str) -> None:
        _, authorization = self._post(authorization_url, None)
        challenge = next(c for c in authorization["challenges"] if c["type"] == "http-01")
        body = challenges.HTTP01.from_json(challenge)
        self._responder.answers[body.path] = body.validation(self._net.key).encode()
        if challenge["status"] == "pending":
            self._post(challenge["url"], {})

    def _poll(self, url: str, status: str) -> dict[str, Any]:
        while True:
            time.sleep(POLL)
            _, order = self._post(url, None)
            if order["status"] == status:
                return order

    def _post(self, url: str, body: dict[str, Any] | None) -> tuple[str, dict[str, Any]]:
        answer = self._net.post(url, _Body(body), new_nonce_url=self._directory["newNonce"])
        return answer.headers.get("Location", ""), answer.json()


class _Body:
    """What the library signs: a JSON document, or nothing for POST-as-GET."""

    def __init__(self, document: dict[str, Any] | None) -> None:
        self._document = document

    def __bool__(self) -> bool:
        return self._document is not None

    def json_dumps(self, **options: Any) -> str:
        return json.dumps(self._document, **options)
