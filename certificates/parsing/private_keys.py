"""Opens private keys: PKCS#1, PKCS#8 and SEC1, with a password or without."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from certificates import keys
from certificates.parsing import refusals
from certificates.parsing.containers import StoredKey
from challenges.problems import ProblemError

# The library panics, which no handler expects, when the initialisation vector is too short.
_DEK_INFO = re.compile(
    rb"^DEK-Info: ((?:AES-(?:128|256)-CBC,[0-9A-Fa-f]{32})|(?:DES-EDE3-CBC,[0-9A-Fa-f]{16}))\s*$",
    re.M,
)
_ANY_DEK_INFO = re.compile(rb"^DEK-Info: [A-Z0-9-]{3,40},(?:[0-9A-Fa-f]{16}){1,2}\s*$", re.M)
_PROC_TYPE = b"Proc-Type: 4,ENCRYPTED"
_UNKNOWN_CIPHER = "Unknown key encryption algorithm"


def open_key(stored: StoredKey, password: str | None) -> keys.PrivateKey:
    """The key. Raises ProblemError when it cannot be opened, or cannot be used."""
    if stored.is_headed:
        _check_headers(stored.data)
    if not stored.is_encrypted:
        return usable(_load(stored, None))
    if not password:
        raise ProblemError(refusals.PASSWORD_MISSING)
    for attempt in spellings(password):
        try:
            return usable(_load(stored, attempt))
        except ValueError as error:
            if str(error).startswith(_UNKNOWN_CIPHER):
                raise ProblemError(refusals.KEY_CIPHER) from None
        except UnsupportedAlgorithm:
            raise ProblemError(refusals.KEY_CIPHER) from None
    raise ProblemError(refusals.PASSWORD_WRONG)


def spellings(password: str) -> Iterator[bytes]:
    """The password as programs of today and of Windows' past encode it."""
    tried = set()
    for encoding in ("utf-8", "latin-1"):
        try:
            spelt = password.encode(encoding)
        except UnicodeEncodeError:
            continue
        if spelt not in tried:
            tried.add(spelt)
            yield spelt


def usable(key: object) -> keys.PrivateKey:
    """The key itself, validated. Raises ProblemError for one that cannot be used."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key
    # The size comes first: proving primes of 8192 bits takes seconds.
    if (
        isinstance(key, rsa.RSAPrivateKey)
        and refusals.MIN_RSA_BITS <= key.key_size <= refusals.MAX_RSA_BITS
    ):
        return _validated(key)
    raise ProblemError(refusals.KEY_NOT_SUPPORTED)


def belongs_to(key: keys.PrivateKey, public_key: PublicKeyTypes) -> bool:
    """Whether the key really makes signatures that the public key verifies."""
    message = b"does this key belong to this certificate?"
    try:
        if isinstance(key, rsa.RSAPrivateKey) and isinstance(public_key, rsa.RSAPublicKey):
            signature = key.sign(message, padding.PKCS1v15(), hashes.SHA256())
            public_key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
            return True
        if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(
            public_key, ec.EllipticCurvePublicKey
        ):
            algorithm = ec.ECDSA(hashes.SHA256())
            public_key.verify(key.sign(message, algorithm), message, algorithm)
            return True
    except (ValueError, InvalidSignature, UnsupportedAlgorithm):
        pass
    return False


def _check_headers(text: bytes) -> None:
    is_proper = _PROC_TYPE in text and text.count(b"DEK-Info") == 1
    if not is_proper or not _ANY_DEK_INFO.search(text):
        raise ProblemError(refusals.KEY_UNREADABLE)
    if not _DEK_INFO.search(text):
        damaged = re.search(rb"^DEK-Info: (AES-(128|256)|DES-EDE3)-CBC", text, re.M)
        raise ProblemError(refusals.KEY_UNREADABLE if damaged else refusals.KEY_CIPHER)


def _load(stored: StoredKey, password: bytes | None) -> object:
    """Raises ValueError or UnsupportedAlgorithm for an encrypted key, else ProblemError."""
    load = (
        serialization.load_pem_private_key
        if stored.is_headed
        else serialization.load_der_private_key
    )
    try:
        return load(stored.data, password, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        raise ProblemError(refusals.KEY_UNREADABLE) from None
    except UnsupportedAlgorithm:
        if password is None:
            raise ProblemError(refusals.KEY_NOT_SUPPORTED) from None
        raise
    except ValueError:
        if password is None:
            raise ProblemError(refusals.KEY_UNREADABLE) from None
        raise


def _validated(key: rsa.RSAPrivateKey) -> rsa.RSAPrivateKey:
    try:
        loaded = serialization.load_der_private_key(keys.to_der(key), None)
    except ValueError:
        raise ProblemError(refusals.KEY_UNREADABLE) from None
    if not isinstance(loaded, rsa.RSAPrivateKey):
        raise ProblemError(refusals.KEY_UNREADABLE)
    return loaded
