"""Reads what an administrator uploads: a PEM chain and its private key, checked before storing.

Parsing makes no network call and follows no name: addresses inside a certificate are data.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from certificates import keys, pem
from challenges.problems import Problem, ProblemError, Severity

MAX_FILE = 64 * 1024  # bytes
MAX_RSA_BITS = 4096
MIN_RSA_BITS = 2048

_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----")
# RFC 1421 §4.6.1.3. The library panics, which no handler expects, when the IV is too short.
_PROC_TYPE = b"Proc-Type: 4,ENCRYPTED"
_DEK_INFO = re.compile(
    rb"^DEK-Info: (AES-(128|192|256)-CBC,[0-9A-Fa-f]{32}|DES-EDE3-CBC,[0-9A-Fa-f]{16})\s*$", re.M
)
_KEY_LABELS = frozenset({b"PRIVATE KEY", b"RSA PRIVATE KEY", b"EC PRIVATE KEY"})
_ENCRYPTED_LABEL = b"ENCRYPTED PRIVATE KEY"


@dataclasses.dataclass(frozen=True)
class ImportedCertificate:
    """A chain in order and the key that belongs to it (PKCS#8 DER)."""

    chain: pem.ChainFacts
    key_der: bytes = dataclasses.field(repr=False)


def read_pem(files: Sequence[bytes], password: str | None = None) -> ImportedCertificate:
    """The certificate, its chain and its key from PEM files, in any order and mixture.

    Raises ProblemError with the one thing that is wrong.
    """
    blocks = [block for content in files for block in _blocks(content)]
    certificates = [text for label, text in blocks if label == b"CERTIFICATE"]
    key_texts = [text for label, text in blocks if label in {*_KEY_LABELS, _ENCRYPTED_LABEL}]
    if not certificates:
        raise _refused("no-certificate-found", "No certificate in PEM form was found.")
    if not key_texts:
        raise _refused("no-key-found", "No private key in PEM form was found.")
    if len(key_texts) > 1:
        raise _refused("several-keys-found", "More than one private key was found.")
    key = _key(key_texts[0], password)
    chain = _in_order(pem.split(b"\n".join(certificates)), key)
    pem.check_order(chain)
    return ImportedCertificate(pem.facts(chain), keys.to_der(key))


def _blocks(content: bytes) -> list[tuple[bytes, bytes]]:
    if len(content) > MAX_FILE:
        raise _refused("file-too-large", "The file is larger than 64 KiB.")
    blocks: list[tuple[bytes, bytes]] = []
    position = 0
    # One expression for a whole block takes seconds for a file of beginnings without ends.
    while begin := _BEGIN.search(content, position):
        last_line = b"-----END " + begin[1] + b"-----"
        end = content.find(last_line, begin.end())
        position = begin.end() if end < 0 else end + len(last_line)
        if end >= 0:
            blocks.append((begin[1], content[begin.start() : position]))
    return blocks


def _key(text: bytes, password: str | None) -> keys.PrivateKey:
    headed = _PROC_TYPE in text or b"DEK-Info" in text
    if headed and (text.count(b"DEK-Info") != 1 or not _DEK_INFO.search(text)):
        raise _refused("key-unreadable", "The private key is damaged.")
    encrypted = _ENCRYPTED_LABEL in text or _PROC_TYPE in text
    if encrypted and not password:
        raise _refused(
            "password-missing", "The private key is encrypted; enter its password as well."
        )
    try:
        key = serialization.load_pem_private_key(
            text, password=(password or "").encode() if encrypted else None
        )
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if encrypted:
            raise _refused(
                "password-wrong", "The password does not open the private key."
            ) from error
        raise _refused("key-unreadable", "The private key is damaged.") from error
    if isinstance(key, rsa.RSAPrivateKey) and MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key
    raise _refused(
        "key-not-supported", "Only RSA keys of 2048 to 4096 bits and ECDSA keys can be used."
    )


def _in_order(certificates: list[x509.Certificate], key: keys.PrivateKey) -> list[x509.Certificate]:
    """The leaf of this key first, then issuer after issuer; what does not belong is left out."""
    wanted = keys.spki_sha256(key.public_key())
    leaf = next(
        (item for item in certificates if keys.spki_sha256(item.public_key()) == wanted), None
    )
    if leaf is None:
        raise _refused("key-does-not-match", pem.KEY_MISMATCH)
    chain, others = [leaf], [item for item in certificates if item is not leaf]
    while chain[-1].issuer != chain[-1].subject:
        named = [item for item in others if item.subject == chain[-1].issuer]
        if not named:
            break
        # Of several with the same name the one that signed; the check of the order has the rest.
        issuer = next((item for item in named if pem.is_issued_by(chain[-1], item)), named[0])
        others.remove(issuer)
        chain.append(issuer)
    return chain


def _refused(code: str, explanation: str) -> ProblemError:
    return ProblemError(
        Problem(
            code=code,
            severity=Severity.ERROR,
            explanation=explanation,
            remedy=(
                (
                    "Choose the file of the certificate with its chain and the file of its private "
                    "key, both in PEM form."
                ),
            ),
        )
    )
