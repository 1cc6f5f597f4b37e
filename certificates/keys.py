"""New private keys and certificate requests; never stores and never sends anything."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from certificates.policy.keys import KeyType

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_CURVES: dict[KeyType, ec.EllipticCurve] = {
    KeyType.ECDSA_P256: ec.SECP256R1(),
    KeyType.ECDSA_P384: ec.SECP384R1(),
}
_RSA_BITS = {KeyType.RSA_2048: 2048, KeyType.RSA_3072: 3072, KeyType.RSA_4096: 4096}
# RFC 5280, upper bound ub-common-name; a longer first name goes into the SAN alone.
MAX_COMMON_NAME = 64


def generate(key_type: KeyType) -> PrivateKey:
    """A new private key of that type."""
    if key_type in _CURVES:
        return ec.generate_private_key(_CURVES[key_type])
    return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS[key_type])


def make_csr(
    key: PrivateKey, names: list[str], subject: Sequence[x509.NameAttribute[str]] = ()
) -> x509.CertificateSigningRequest:
    """A request for all the names (A-labels), the first as common name where it fits.

    ``subject`` is what stands there before the common name. Built from the key object: handing
    the PEM to a helper would validate an RSA key anew, which takes longer than all else here.
    """
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([*subject, *common_name(names)]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False)
        .sign(key, hashes.SHA256())
    )


def common_name(names: Sequence[str]) -> list[x509.NameAttribute[str]]:
    """The first name as common name; nothing where it is too long for one."""
    if len(names[0]) > MAX_COMMON_NAME:
        return []
    return [x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])]


def to_der(key: PrivateKey) -> bytes:
    """PKCS#8, unencrypted: to be sealed at once."""
    return key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def to_pem(der: bytes) -> bytes:
    """The PEM of a PKCS#8 key, for the files of the gateway's services.

    Only re-encodes; raises ValueError for anything that is not a private key.
    """
    key = load_der(der)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def load_der(der: bytes) -> PrivateKey:
    """A key that this product wrote itself, so its RSA primes are not tested again.

    Raises ValueError for anything but an RSA or ECDSA key.
    """
    key = serialization.load_der_private_key(
        der, password=None, unsafe_skip_rsa_key_validation=True
    )
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError("not an RSA or ECDSA key")
    return key


def spki_sha256(public_key: PublicKeyTypes) -> str:
    """The hexadecimal SHA-256 of the SubjectPublicKeyInfo: what tells one key from another."""
    der = public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()


def key_type_of(public_key: PublicKeyTypes) -> str:
    """The KeyType's value, or a plain description for keys that we do not make."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return f"rsa-{public_key.key_size}"
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return f"ecdsa-p{public_key.curve.key_size}"
    return type(public_key).__name__.removeprefix("_").removesuffix("PublicKey").lower()


def sealing_purpose(public_key: PublicKeyTypes) -> str:
    """Binds a sealed key to the certificate that it belongs to, by its public half."""
    return f"certificate-key:{spki_sha256(public_key)}"
