"""The private key of an ACME account."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from josepy.errors import Error as JoseError
from josepy.json_util import encode_b64jose
from josepy.jwa import ES256, ES384, ES512, RS256, JWASignature
from josepy.jwk import JWK, JWKEC, JWKRSA

RSA_BITS = range(2048, 4097)
# RFC 7518 §3.1: which signature each curve is for.
_ALGORITHMS: dict[str, JWASignature] = {"secp256r1": ES256, "secp384r1": ES384, "secp521r1": ES512}
# A modulus of 4096 bits in base64url. Calculating with a longer one would take minutes.
_LONGEST_PARAMETER = 700


@dataclasses.dataclass(frozen=True)
class AccountKey:
    """An account's private key: PKCS#8 DER.

    Those made here are ECDSA P-256; one that was taken over may be RSA or on another curve.
    """

    der: bytes = dataclasses.field(repr=False)

    @property
    def thumbprint(self) -> str:
        """RFC 7638, base64url without padding."""
        return encode_b64jose(self.jwk.thumbprint())

    @property
    def jwk(self) -> JWKEC | JWKRSA:
        """The key as josepy wants it."""
        # It was tested before it was stored, and an RSA key's test takes longer than a request.
        key = serialization.load_der_private_key(
            self.der, password=None, unsafe_skip_rsa_key_validation=True
        )
        return JWKRSA(key=key) if isinstance(key, rsa.RSAPrivateKey) else JWKEC(key=key)

    @property
    def algorithm(self) -> JWASignature:
        """What requests are signed with (RFC 8555 §6.2)."""
        jwk = self.jwk
        return RS256 if isinstance(jwk, JWKRSA) else _ALGORITHMS[jwk.key.curve.name]


def new_account_key() -> AccountKey:
    """A new account key. Never the key of a certificate (RFC 8555 §11.1)."""
    return AccountKey(_der(ec.generate_private_key(ec.SECP256R1())))


def account_key_from_jwk(jwk: Mapping[str, object]) -> AccountKey:
    """The key of another client's account, from its JSON Web Key (RFC 7517).

    Raises ValueError for anything but a private RSA key of 2048 to 4096 bits or a private key on
    a curve that ACME signs with. Its text tells nothing of the key.
    """
    if any(len(str(value)) > _LONGEST_PARAMETER for value in jwk.values()):
        raise ValueError("the key is too long")
    try:
        read: object = JWK.from_json(jwk)
    # Values of a wrong kind make it raise whatever comes of them.
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, UnsupportedAlgorithm):
        raise ValueError("it is no key in JSON form") from None
    # josepy keeps the library's own key in a wrapper that compares.
    key = getattr(getattr(read, "key", None), "_wrapped", None)
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size in RSA_BITS:
        return AccountKey(_der(key))
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _ALGORITHMS:
        return AccountKey(_der(key))
    raise ValueError("it is no private key that an ACME account can have")


def _der(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
