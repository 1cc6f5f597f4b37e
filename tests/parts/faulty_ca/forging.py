"""Chains that a sick CA hands out instead of the one that was ordered."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

DAY = datetime.timedelta(days=1)
LIFETIME = 90 * DAY

Forger = Callable[[x509.CertificateSigningRequest], bytes]


def other_key(csr: x509.CertificateSigningRequest) -> bytes:
    """The right names on somebody else's key."""
    return _chain(ec.generate_private_key(ec.SECP256R1()).public_key(), _names(csr), _now())


def other_names(csr: x509.CertificateSigningRequest) -> bytes:
    """The right key and another name."""
    return _chain(csr.public_key(), ["elsewhere.example.test"], _now())


def fewer_names(csr: x509.CertificateSigningRequest) -> bytes:
    """The right key and all names but the last."""
    return _chain(csr.public_key(), _names(csr)[:-1], _now())


def expired(csr: x509.CertificateSigningRequest) -> bytes:
    """What was ordered, but it ended yesterday."""
    return _chain(csr.public_key(), _names(csr), _now() - LIFETIME - DAY)


def not_yet_valid(csr: x509.CertificateSigningRequest) -> bytes:
    """What was ordered, but it begins in ten days."""
    return _chain(csr.public_key(), _names(csr), _now() + 10 * DAY)


def foreign_issuer(csr: x509.CertificateSigningRequest) -> bytes:
    """A leaf that is right, above an issuer that has not signed it."""
    key, issuer = _issuer()
    return _pem(_leaf(csr.public_key(), _names(csr), _now(), key), _stranger(issuer))


def reversed_chain(pem: bytes) -> bytes:
    """The issuer before the leaf."""
    return _pem(*reversed(x509.load_pem_x509_certificates(pem)))


def leaf_alone(pem: bytes) -> bytes:
    """Without its issuer."""
    return _pem(x509.load_pem_x509_certificates(pem)[0])


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


def _names(csr: x509.CertificateSigningRequest) -> list[str]:
    extension = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return extension.value.get_values_for_type(x509.DNSName)


@functools.cache
def _issuer() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    return key, _issuer_certificate(key)


def _issuer_certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = _name("Sick Issuer")
    return (
        _builder(name, key.public_key(), _now() - 400 * DAY, 800 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )


def _stranger(like: x509.Certificate) -> x509.Certificate:
    """An issuer of the same name with a key of its own."""
    stranger = _issuer_certificate(ec.generate_private_key(ec.SECP256R1()))
    assert stranger.subject == like.subject
    return stranger


def _chain(key: CertificatePublicKeyTypes, names: list[str], begin: datetime.datetime) -> bytes:
    issuer_key, issuer = _issuer()
    return _pem(_leaf(key, names, begin, issuer_key), issuer)


def _leaf(
    key: CertificatePublicKeyTypes,
    names: list[str],
    begin: datetime.datetime,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    return (
        _builder(_name(names[0] if names else "nameless"), key, begin, LIFETIME)
        .add_extension(alternatives, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name,
    key: CertificatePublicKeyTypes,
    begin: datetime.datetime,
    lifetime: datetime.timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(_name("Sick Issuer"))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + lifetime)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])


def _pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
