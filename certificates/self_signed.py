"""Certificates of servers that sign themselves; never stores anything."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from certificates import keys

# What Apple's systems accept of a server's certificate, even of one that was trusted by hand.
LIFETIME = datetime.timedelta(days=825)
# For clocks that differ.
DATED_BACK = datetime.timedelta(hours=1)


def make(
    key: keys.PrivateKey,
    subject: Sequence[x509.NameAttribute[str]],
    names: Sequence[x509.GeneralName],
    now: datetime.datetime,
) -> x509.Certificate:
    """A certificate of the key for these names, issued by its own subject, which must not be
    empty (RFC 5280 §4.1.2.4)."""
    name = x509.Name(subject)
    begin = now.replace(microsecond=0) - DATED_BACK
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        # Both ends belong to the validity (RFC 5280 §4.1.2.5).
        .not_valid_after(begin + LIFETIME - datetime.timedelta(seconds=1))
        .add_extension(x509.SubjectAlternativeName(names), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(key), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .sign(key, hashes.SHA256())
    )


def _usage(key: keys.PrivateKey) -> x509.KeyUsage:
    """Signatures; with RSA also the old key exchange, which some mail programs still want."""
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=isinstance(key, rsa.RSAPrivateKey),
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
