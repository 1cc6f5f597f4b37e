"""Encryption at rest: AES-256-GCM, several keys with the newest first, bound to a purpose.

A sealed text names the key that sealed it, so that older keys go on opening what they sealed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from challenges.problems import Problem, ProblemError, Severity

VERSION = "v1"
KEY_BYTES = 32
NONCE_BYTES = 12


def new_key() -> str:
    """A random 256-bit key as it stands in the key file."""
    return base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()


def keyring() -> tuple[bytes, ...]:
    """The keys of this installation, newest first, as they are at this moment.

    They are read each time: another process may have put a newer key in front, and what is
    sealed with a key that is being retired would keep it needed. That takes a tenth of a
    millisecond; what a file's times and size tell of a change can be wrong.

    Raises ProblemError when they cannot be read, there is none, or one cannot be used.
    """
    try:
        text = settings.READ_ENCRYPTION_KEYS()
    except (OSError, ValueError) as error:
        raise ProblemError(_unusable_keys(str(error))) from error
    return read_keys(text)


def read_keys(text: str) -> tuple[bytes, ...]:
    """The keys in a key file's text, separated by commas or white space, newest first.

    Raises ProblemError when there is none or one is not 32 bytes in base64url.
    """
    words = text.replace(",", " ").split()
    if not words:
        raise ProblemError(_unusable_keys("There is no key for encryption at rest."))
    return tuple(_read_key(word, number) for number, word in enumerate(words, start=1))


def write_keys(keys: Sequence[bytes]) -> str:
    """A key file's text, one key a line; the inverse of :func:`read_keys`."""
    return "".join(f"{base64.urlsafe_b64encode(key).decode()}\n" for key in keys)


def seal(plaintext: bytes, purpose: str, keys: tuple[bytes, ...] | None = None) -> str:
    """Encrypt under the newest key; only the same purpose opens it again.

    The purpose is authenticated with the text, so that a sealed value that was moved to
    another row does not open there. Raises ProblemError when there is no key.
    """
    key = (keys or keyring())[0]
    nonce = os.urandom(NONCE_BYTES)
    ciphertext = AESGCM(key).encrypt(nonce, plaintext, purpose.encode())
    body = base64.urlsafe_b64encode(nonce + ciphertext).decode()
    return f"{prefix(key)}{body}"


def unseal(sealed: str, purpose: str, keys: tuple[bytes, ...] | None = None) -> bytes:
    """The inverse of :func:`seal`.

    Raises ProblemError when no key opens it: the key is missing, or the text was changed or
    belongs elsewhere.
    """
    version, _, rest = sealed.partition(".")
    identifier, _, body = rest.partition(".")
    for key in keys or keyring():
        if version == VERSION and key_id(key) == identifier:
            try:
                raw = base64.urlsafe_b64decode(body)
                return AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], purpose.encode())
            except (InvalidTag, binascii.Error, ValueError):
                break
    raise ProblemError(_cannot_open())


def key_id(key: bytes) -> str:
    """A short name of a key that tells nothing of it."""
    return hashlib.sha256(b"gateway-admin key id" + key).hexdigest()[:8]


def prefix(key: bytes) -> str:
    """How every text that this key has sealed begins, and none of another's."""
    return f"{VERSION}.{key_id(key)}."


def _read_key(word: str, number: int) -> bytes:
    try:
        key = base64.b64decode(word, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        damaged = f"Key {number} for encryption at rest is damaged: it is not 32 bytes in base64."
        raise ProblemError(_unusable_keys(damaged))
    return key


def _unusable_keys(explanation: str) -> Problem:
    return Problem(
        code="encryption-keys-unusable",
        severity=Severity.ERROR,
        explanation=explanation,
        remedy=(
            (
                "Restore the file secrets/encryption_keys of the data directory from a backup, "
                "or set GATEWAY_ADMIN_ENCRYPTION_KEYS to the keys that were used before."
            ),
        ),
        # Restoring them is no edit that this console would see.
        retryable=True,
    )


def _cannot_open() -> Problem:
    return Problem(
        code="sealed-secret-unreadable",
        severity=Severity.ERROR,
        explanation="A stored private key cannot be decrypted with the present encryption keys.",
        remedy=(
            (
                "Add the encryption key that was used when it was stored to "
                "GATEWAY_ADMIN_ENCRYPTION_KEYS or to secrets/encryption_keys."
            ),
            "If that key is lost, obtain or import a new certificate.",
        ),
        retryable=True,
    )
