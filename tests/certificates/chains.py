"""Certificate chains to order: a root, issuers below it, leaves."""

from __future__ import annotations

import dataclasses
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID
from django.utils import timezone

from certificates import pem
from certificates.models import Certificate, Gateway, Origin
from certificates.store import add

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
DAYS_90 = datetime.timedelta(days=90)


@dataclasses.dataclass(frozen=True)
class Link:
    """One certificate and its key, and the link above it; none above a root."""

    certificate: x509.Certificate
    key: PrivateKey
    above: Link | None = None

    @property
    def pem(self) -> bytes:
        """This certificate alone."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def chain(self) -> list[x509.Certificate]:
        """From this one up to the root."""
        return [self.certificate, *(self.above.chain if self.above else [])]

    @property
    def chain_pem(self) -> bytes:
        """From this one up to the root, as PEM."""
        return pem.to_pem(self.chain).encode()

    @property
    def key_der(self) -> bytes:
        """PKCS#8 without a password."""
        return self.key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def key_pem(
        self,
        form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8,
        password: bytes = b"",
    ) -> bytes:
        """The key in one of its forms."""
        encryption = (
            serialization.BestAvailableEncryption(password)
            if password
            else serialization.NoEncryption()
        )
        return self.key.private_bytes(serialization.Encoding.PEM, form, encryption)


def new_key() -> ec.EllipticCurvePrivateKey:
    """A key that is made quickly."""
    return ec.generate_private_key(ec.SECP256R1())


def make_authority(
    name: str = "Test Root", above: Link | None = None, key: PrivateKey | None = None
) -> Link:
    """A certificate that may sign others: a root, or an issuer below one."""
    key = key or new_key()
    subject = _name(name)
    signer = above.key if above else key
    certificate = (
        _builder(subject, above.certificate.subject if above else subject, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )
    return Link(certificate, key, above)


def make_leaf(
    *names: str,
    above: Link,
    key: PrivateKey | None = None,
    begin: datetime.datetime | None = None,
    lifetime: datetime.timedelta = DAYS_90,
    issuer_address: str = "",
) -> Link:
    """A certificate for the names; without any it has no subject alternative names.

    ``issuer_address`` is where it says that its issuer's certificate is to be had.
    """
    key = key or new_key()
    builder = _builder(
        # A common name has room for 64 characters (RFC 5280, appendix A).
        _name(names[0][:64] if names else "nameless"),
        above.certificate.subject,
        key,
        begin=begin,
        lifetime=lifetime,
    )
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(alternatives, critical=False)
    if issuer_address:
        access = x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS,
            x509.UniformResourceIdentifier(issuer_address),
        )
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    return Link(builder.sign(above.key, hashes.SHA256()), key, above)


def make_chain(
    *names: str, begin: datetime.datetime | None = None, lifetime: datetime.timedelta = DAYS_90
) -> Link:
    """A leaf below an issuer below a root."""
    issuer = make_authority("Test Issuer", make_authority())
    return make_leaf(*names, above=issuer, begin=begin, lifetime=lifetime)


def store_leaf(
    gateway: Gateway, leaf: Link | None = None, origin: Origin = Origin.LETS_ENCRYPT
) -> Certificate:
    """The leaf's chain in the database; without a leaf a new one for the gateway's names."""
    leaf = leaf or make_chain(*gateway.names)
    return add(gateway, pem.facts(leaf.chain), leaf.key_der, origin)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: PrivateKey,
    *,
    begin: datetime.datetime | None = None,
    lifetime: datetime.timedelta = DAYS_90,
) -> x509.CertificateBuilder:
    begin = begin or timezone.now() - datetime.timedelta(hours=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + lifetime)
    )
