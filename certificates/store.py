"""Certificates on disk and in the database: all or nothing, the one before kept.

A set of files is written into a new directory, made durable, and comes into use by the rename of
one symbolic link, so that no reader ever sees files of two certificates or half of one.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from django.conf import settings

from certificates import keys, pem, sealing
from certificates.models import Certificate, Gateway, Issuance, Origin
from challenges.problems import Problem, ProblemError, Severity

KEPT_GENERATIONS = 3
PRIVATE_DIRECTORY = 0o700
PRIVATE_FILE = 0o600
_SLUG = re.compile(r"[-a-zA-Z0-9_]+")


def add(
    gateway: Gateway,
    chain: pem.ChainFacts,
    key_der: bytes,
    origin: Origin,
    issuance: Issuance | None = None,
) -> Certificate:
    """Store a checked chain with its sealed key; the same certificate again is the same row."""
    certificate, _ = Certificate.objects.get_or_create(
        gateway=gateway,
        sha256=chain.sha256,
        defaults={
            "issuance": issuance,
            "origin": origin,
            "chain_pem": chain.chain_pem,
            "sealed_key": sealing.seal(key_der, chain.sealing_purpose),
            "names": list(chain.names),
            "subject": chain.subject[:500],
            "issuer": chain.issuer[:500],
            "serial": chain.serial,
            "key_type": chain.key_type,
            "not_before": chain.not_before,
            "not_after": chain.not_after,
        },
    )
    return certificate


def seal_key(key_der: bytes, public_key: PublicKeyTypes) -> str:
    """Seal a private key so that it opens only for certificates of its public key."""
    return sealing.seal(key_der, keys.sealing_purpose(public_key))


def private_key(certificate: Certificate) -> bytes:
    """The certificate's key as PKCS#8 DER. Raises ProblemError when it cannot be opened."""
    facts = pem.facts(pem.split(certificate.chain_pem.encode()))
    return sealing.unseal(certificate.sealed_key, facts.sealing_purpose)


def live_directory(gateway: Gateway) -> Path:
    """Where the gateway's services find the files in use."""
    return _root() / "live" / _safe(gateway.slug)


def is_live(gateway: Gateway, certificate: Certificate) -> bool:
    """Whether the files in use are this certificate's, by its leaf; what cannot be read is not."""
    try:
        in_use = (live_directory(gateway) / "cert.pem").read_bytes()
    except OSError:
        return False
    return certificate.chain_pem.encode().startswith(in_use) and bool(in_use)


def write_live(gateway: Gateway, certificate: Certificate) -> Path:
    """Put the certificate's files into use; returns their directory.

    Raises ProblemError when they cannot be written; the files in use before then stay as they
    were, complete.
    """
    files = _files(certificate)
    link = live_directory(gateway)
    archive = _root() / "archive" / link.name
    try:
        generation = _write_generation(archive, certificate.pk, files)
        _switch(link, generation)
    except OSError as error:
        raise ProblemError(_cannot_write(link, error)) from error
    _remove_old_generations(archive, generation)
    return link


def _files(certificate: Certificate) -> dict[str, bytes]:
    chain = pem.split(certificate.chain_pem.encode())
    leaf, issuers = pem.to_pem(chain[:1]), pem.to_pem(chain[1:])
    return {
        "fullchain.pem": (leaf + issuers).encode(),
        "cert.pem": leaf.encode(),
        "chain.pem": issuers.encode(),
        "privkey.pem": keys.to_pem(private_key(certificate)),
    }


def _write_generation(archive: Path, pk: int, files: dict[str, bytes]) -> Path:
    archive.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    generation = archive / f"{pk:08d}-{secrets.token_hex(4)}"
    generation.mkdir(mode=PRIVATE_DIRECTORY)
    try:
        for name, content in files.items():
            _write_file(generation / name, content)
        _sync_directory(generation)
        _sync_directory(archive)
    except OSError:
        shutil.rmtree(generation, ignore_errors=True)
        raise
    return generation


def _write_file(path: Path, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, PRIVATE_FILE), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _switch(link: Path, generation: Path) -> None:
    link.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    # Relative, so that the data directory can be moved or mounted elsewhere as a whole.
    target = os.path.relpath(generation, link.parent)
    before = str(link.readlink()) if link.is_symlink() else None
    _point(link, target)
    try:
        _sync_directory(link.parent)
    except OSError:
        # The caller will say that the files before are in use, so they have to be.
        if before is None:
            link.unlink()
        else:
            _point(link, before)
        raise


def _point(link: Path, target: str) -> None:
    """Make the link, or let it point elsewhere, in one step."""
    fresh = link.parent / f".{link.name}.{secrets.token_hex(4)}"
    fresh.symlink_to(target, target_is_directory=True)
    try:
        fresh.replace(link)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_old_generations(archive: Path, current: Path) -> None:
    """Keep the last few; a service may still be reading the one before."""
    others = sorted(
        (path for path in archive.iterdir() if path != current),
        key=lambda path: path.stat().st_mtime,
        reverse=True,
    )
    for path in others[KEPT_GENERATIONS - 1 :]:
        shutil.rmtree(path, ignore_errors=True)


def _root() -> Path:
    return Path(settings.CONFIGURATION.data_dir)


def _safe(slug: str) -> str:
    # The model's field says so too; here it is what keeps a slug from being a path.
    if not _SLUG.fullmatch(slug):
        raise ValueError(f"not a slug: {slug!r}")
    return slug


def _cannot_write(link: Path, error: OSError) -> Problem:
    return Problem(
        code="certificate-files-not-written",
        severity=Severity.ERROR,
        explanation=(
            f"The certificate's files could not be written to {link}: {error.strerror}. "
            "The files in use before are untouched."
        ),
        remedy=(
            "Check that the disk is not full and that this user may write to the data directory.",
            "Then press Try again.",
        ),
        detail=str(error),
        retryable=True,
    )
