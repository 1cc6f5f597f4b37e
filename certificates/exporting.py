"""Hands certificates and their private keys out, in the forms that other programs read.

A key is not handed out without a line of the log; what it holds is never in it. Who may ask for
one is for the callers to decide.
"""

from __future__ import annotations

import dataclasses
import datetime

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12
from django.utils import timezone

from certificates import events, keys, pem, store
from certificates.models import Certificate
from challenges.problems import Problem, ProblemError, Severity

# What guessing costs; above what old programs compute in a moment nothing is gained.
ROUNDS = 20_000
LEGACY_ROUNDS = 2_048
# What the library takes for a key; other programs take no more for a PFX either.
LONGEST_PASSWORD = 1023  # bytes of UTF-8


def files(certificate: Certificate) -> dict[str, bytes]:
    """``fullchain.pem``, ``cert.pem`` and ``chain.pem`` (empty without issuers); no key.

    Raises ProblemError for a certificate from staging, or one that cannot be read.
    """
    _check(certificate)
    return store.public_files(certificate)


def why_not(certificate: Certificate) -> Problem | None:
    """Why nothing of the certificate is handed out; None when all of it may be."""
    try:
        _check(certificate)
    except ProblemError as error:
        return error.problem
    return None


def why_not_password(password: str) -> Problem | None:
    """Why no file can be protected by that password; None when it can."""
    if len(password.encode()) <= LONGEST_PASSWORD:
        return None
    return Problem(
        code="export-password-too-long",
        severity=Severity.ERROR,
        explanation=f"The password for the file is longer than {LONGEST_PASSWORD} bytes.",
        remedy=("Choose a shorter one. Letters with accents count for two bytes or more.",),
    )


def private_key_pem(
    certificate: Certificate,
    password: str | None,
    *,
    by: str = "",
    now: datetime.datetime | None = None,
) -> bytes:
    """The private key as PKCS#8 in PEM, encrypted if there is a password.

    Raises ProblemError for a certificate from staging, a key that cannot be opened, and a password
    that is too long.
    """
    _check(certificate)
    _check_password(password or "")
    key = keys.load_der(store.private_key(certificate))
    content = key.private_bytes(
        serialization.Encoding.PEM,
        PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password.encode())
        if password
        else serialization.NoEncryption(),
    )
    what = "with a password" if password else "without a password"
    _record(certificate, f"as PEM {what}", by, now)
    return content


def pfx(
    certificate: Certificate,
    password: str,
    *,
    legacy: bool,
    by: str = "",
    now: datetime.datetime | None = None,
) -> bytes:
    """Chain and key as PKCS#12 (RFC 7292), named after the certificate's first name.

    Modern is AES-256 with SHA-256; legacy is triple DES with SHA-1, for what knows nothing else:
    Windows before Server 2019, Exchange on it, and Java before 8u301. Raises ProblemError for a
    certificate from staging, a key that cannot be opened, and a password that is empty or too long.
    """
    _check(certificate)
    _check_password(password)
    if not password:
        raise ProblemError(_no_password())
    leaf, *issuers = pem.split(certificate.chain_pem.encode())
    key = keys.load_der(store.private_key(certificate))
    content = pkcs12.serialize_key_and_certificates(
        _friendly_name(certificate), key, leaf, issuers, _encryption(password, legacy=legacy)
    )
    what = "with legacy encryption" if legacy else "with modern encryption"
    _record(certificate, f"as PFX {what}", by, now)
    return content


def _check(certificate: Certificate) -> None:
    facts = pem.facts(pem.split(certificate.chain_pem.encode()))
    try:
        pem.check_not_staging(facts)
    except ProblemError as error:
        raise ProblemError(dataclasses.replace(error.problem, remedy=_INSTEAD)) from None


def _check_password(password: str) -> None:
    if problem := why_not_password(password):
        raise ProblemError(problem)


def _encryption(password: str, *, legacy: bool) -> serialization.KeySerializationEncryption:
    builder = PrivateFormat.PKCS12.encryption_builder()
    if legacy:
        builder = (
            builder.kdf_rounds(LEGACY_ROUNDS)
            .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
            .hmac_hash(hashes.SHA1())  # noqa: S303
        )
    else:
        builder = (
            builder.kdf_rounds(ROUNDS)
            .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
            .hmac_hash(hashes.SHA256())
        )
    return builder.build(password.encode())


def _friendly_name(certificate: Certificate) -> bytes:
    names = [*certificate.names, certificate.gateway.hostname]
    return str(names[0]).encode()


def _record(certificate: Certificate, how: str, by: str, now: datetime.datetime | None) -> None:
    who = events.by_whom(by)
    events.record(
        "certificate-exported",
        f"The private key of the certificate from {certificate.issuer} "
        f"(serial number {certificate.serial}) was exported {how}{who}.",
        gateway=certificate.gateway,
        at=now or timezone.now(),
    )


_INSTEAD = (
    "Export a certificate from a CA that is trusted: nothing of this one may be handed out.",
)


def _no_password() -> Problem:
    return Problem(
        code="export-password-missing",
        severity=Severity.ERROR,
        explanation="A PFX file holds a private key and needs a password.",
        remedy=("Choose a password for the file, and tell it to whoever imports it.",),
    )
