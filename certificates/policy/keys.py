"""The kinds of key that a certificate may have."""

from __future__ import annotations

import enum


class KeyType(enum.StrEnum):
    """ECDSA P-256 is the default; RSA is for mail software too old for elliptic curves."""

    ECDSA_P256 = "ecdsa-p256"
    ECDSA_P384 = "ecdsa-p384"
    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"
    RSA_4096 = "rsa-4096"

    @property
    def label(self) -> str:
        """The words on the screen."""
        family, _, size = self.value.partition("-")
        return f"{family.upper()} {size.upper().replace('P', 'P-')}"
