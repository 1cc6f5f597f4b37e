"""The private key of an ACME account."""

from __future__ import annotations

import dataclasses

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.json_util import encode_b64jose
from josepy.jwk import JWKEC


@dataclasses.dataclass(frozen=True)
class AccountKey:
    """An account's private key: PKCS#8 DER of an ECDSA P-256 key."""

    der: bytes = dataclasses.field(repr=False)

    @property
    def thumbprint(self) -> str:
        """RFC 7638, base64url without padding."""
        return encode_b64jose(self.jwk.thumbprint())

    @property
    def jwk(self) -> JWKEC:
        """The key as josepy wants it."""
        return JWKEC(key=serialization.load_der_private_key(self.der, password=None))


def new_account_key() -> AccountKey:
    """A new account key. Never the key of a certificate (RFC 8555 §11.1)."""
    key = ec.generate_private_key(ec.SECP256R1())
    return AccountKey(
        key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
