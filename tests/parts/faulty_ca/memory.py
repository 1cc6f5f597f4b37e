"""What the proxy has learned of the CA from the documents that passed; nothing by guessing paths.

Only the proxy's own thread changes it.
"""

from __future__ import annotations

import base64
import dataclasses
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

from tests.parts.faulty_ca.endpoints import IN_DIRECTORY, Endpoint
from tests.parts.faulty_ca.wire import Answer, Request

# RFC 8555 §7.1.6. Pebble has words of its own for an order whose authorizations were given up.
NOT_FAILED = frozenset({"pending", "ready", "processing", "valid"})
# What belongs to an order and has a URL of its own.
_LINKS = {
    "finalize": Endpoint.FINALIZE,
    "certificate": Endpoint.CERTIFICATE,
}


@dataclasses.dataclass
class KnownOrder:
    """An order that the CA has accepted, and what was asked for in it."""

    path: str
    account: str
    names: frozenset[str]
    profile: str = ""
    replaces: str = ""
    status: str = "pending"
    csr: x509.CertificateSigningRequest | None = None


@dataclasses.dataclass(frozen=True)
class Issued:
    """A certificate that was downloaded through the proxy."""

    certificate_id: str
    certificate: x509.Certificate
    order: KnownOrder


class Memory:
    """Endpoints by path, orders and certificates."""

    def __init__(self, directory_path: str) -> None:
        self._endpoints = {directory_path: Endpoint.DIRECTORY}
        self._orders: dict[str, KnownOrder] = {}
        self.issued: dict[str, Issued] = {}

    @property
    def knows_directory(self) -> bool:
        """Whether the directory has been read."""
        return Endpoint.NEW_NONCE in self._endpoints.values()

    def endpoint(self, path: str) -> Endpoint:
        """Which kind of request this path is for."""
        return self._endpoints.get(path, Endpoint.OTHER)

    def path_of(self, endpoint: Endpoint) -> str:
        """The path of what the directory names."""
        return next(path for path, known in self._endpoints.items() if known is endpoint)

    def order(self, path: str) -> KnownOrder | None:
        """The order that this path belongs to: its own, its finalize or its certificate's."""
        return self._orders.get(path)

    def replacement(self, certificate_id: str) -> KnownOrder | None:
        """The order that replaces that certificate and has not failed (RFC 9773 §5)."""
        for order in self._orders.values():
            if order.replaces == certificate_id and order.status in NOT_FAILED:
                return order
        return None

    def learn(self, endpoint: Endpoint, request: Request, answer: Answer) -> None:
        """Take in what the CA answered."""
        if not answer.is_success:
            return
        document = answer.document or {}
        match endpoint:
            case Endpoint.DIRECTORY:
                for field, named in IN_DIRECTORY.items():
                    self._note(document.get(field), named)
            case Endpoint.NEW_ACCOUNT:
                self._note(answer.header("Location"), Endpoint.ACCOUNT)
            case Endpoint.NEW_ORDER | Endpoint.ORDER | Endpoint.FINALIZE:
                self._learn_order(endpoint, request, answer, document)
            case Endpoint.AUTHORIZATION:
                for challenge in document.get("challenges") or ():
                    self._note(challenge.get("url"), Endpoint.CHALLENGE)
            case Endpoint.CERTIFICATE:
                self._learn_certificate(request, answer)

    def _learn_order(
        self, endpoint: Endpoint, request: Request, answer: Answer, document: dict[str, Any]
    ) -> None:
        path = request.path
        if endpoint is Endpoint.NEW_ORDER:
            path = self._note(answer.header("Location"), Endpoint.ORDER)
            self._orders[path] = _asked(path, request)
        order = self._orders.get(path)
        if order is None:
            return
        order.status = document.get("status", order.status)
        if endpoint is Endpoint.FINALIZE:
            order.csr = _csr(request)
        for url in document.get("authorizations") or ():
            self._note(url, Endpoint.AUTHORIZATION)
        for field, linked in _LINKS.items():
            if url := document.get(field):
                self._orders[self._note(url, linked)] = order

    def _learn_certificate(self, request: Request, answer: Answer) -> None:
        order = self._orders.get(request.path)
        if order is not None:
            certificate = x509.load_pem_x509_certificates(answer.body)[0]
            identifier = certificate_id(certificate)
            self.issued[identifier] = Issued(identifier, certificate, order)

    def _note(self, url: object, endpoint: Endpoint) -> str:
        path = urlsplit(str(url or "")).path
        if path:
            self._endpoints.setdefault(path, endpoint)
        return path


def certificate_id(certificate: x509.Certificate) -> str:
    """RFC 9773 §4.1: key identifier of the issuer and serial number, as in the DER."""
    authority = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    serial = certificate.serial_number
    # A leading zero byte, where the first bit is set, belongs to the DER integer.
    octets = serial.to_bytes(serial.bit_length() // 8 + 1, "big")
    return f"{_base64url(authority.value.key_identifier or b'')}.{_base64url(octets)}"


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def names_of(request: Request) -> frozenset[str]:
    """The names that a newOrder asks for."""
    identifiers = (request.payload or {}).get("identifiers") or ()
    return frozenset(str(identifier.get("value")) for identifier in identifiers)


def _asked(path: str, request: Request) -> KnownOrder:
    payload = request.payload or {}
    return KnownOrder(
        path,
        account=str(request.protected.get("kid", "")),
        names=names_of(request),
        profile=str(payload.get("profile", "")),
        replaces=str(payload.get("replaces", "")),
    )


def _csr(request: Request) -> x509.CertificateSigningRequest:
    text = str((request.payload or {})["csr"])
    return x509.load_der_x509_csr(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
