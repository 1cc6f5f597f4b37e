"""Certificates in the database, with their sealed keys, and the files in use made from them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from certificates import disk, keys, pem, sealing
from certificates.generations import Shelf
from certificates.models import Certificate, CertificateRequest, Gateway, Issuance, Origin
from challenges.problems import Problem, ProblemError, Severity

KEY_FILE = "privkey.pem"
# Certificates whose keys are tried for one that comes without: years of them.
MOST_KEYS = 200
_SLUG = re.compile(r"[-a-zA-Z0-9_]+")


def add(
    gateway: Gateway,
    chain: pem.ChainFacts,
    key_der: bytes,
    origin: Origin,
    issuance: Issuance | None = None,
) -> Certificate:
    """Store a checked chain with its sealed key; the same certificate again is the same row.

    Its key takes the place of one that is stored and can no longer be opened.
    """
    certificate, is_new = Certificate.objects.get_or_create(
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
    if not is_new and why_keyless(certificate, chain):
        certificate.sealed_key = sealing.seal(key_der, chain.sealing_purpose)
        certificate.save(update_fields=["sealed_key"])
    return certificate


def seal_key(key_der: bytes, public_key: PublicKeyTypes) -> str:
    """Seal a private key so that it opens only for certificates of its public key."""
    return sealing.seal(key_der, keys.sealing_purpose(public_key))


def sealing_purpose(chain_pem: str) -> str:
    """What the key of a stored chain is sealed for. Raises ProblemError for an unreadable one."""
    return keys.sealing_purpose(pem.split(chain_pem.encode())[0].public_key())


def private_key(certificate: Certificate) -> bytes:
    """The certificate's key as PKCS#8 DER. Raises ProblemError when it cannot be opened."""
    return sealing.unseal(certificate.sealed_key, sealing_purpose(certificate.chain_pem))


def why_keyless(certificate: Certificate, chain: pem.ChainFacts) -> Problem | None:
    """Why the certificate's key cannot be used: it does not open, or is no key of this chain."""
    try:
        der = sealing.unseal(certificate.sealed_key, chain.sealing_purpose)
        pem.check_key(pem.split(chain.chain_pem.encode()), keys.load_der(der).public_key())
    except ProblemError as error:
        return error.problem
    except ValueError as error:
        return _unreadable_key(str(error))
    return None


def known_keys(gateway: Gateway) -> set[str]:
    """The keys kept here for the gateway, by the hexadecimal SHA-256 of their public halves.

    Those of its certificate requests and of its newest certificates. Two queries.
    """
    requests = CertificateRequest.objects.filter(gateway=gateway)
    return {spki for spki, _sealed in _sealed_keys(gateway)} | set(
        requests.values_list("spki_sha256", flat=True)
    )


def kept_key(gateway: Gateway, spki_sha256: str) -> bytes:
    """One of them as PKCS#8 DER. Raises ProblemError when it is not kept, or does not open."""
    requests = CertificateRequest.objects.filter(gateway=gateway, spki_sha256=spki_sha256)
    sealed = list(requests.values_list("sealed_key", flat=True))
    sealed += [each for spki, each in _sealed_keys(gateway) if spki == spki_sha256]
    problem = _no_key()
    for each in sealed:
        try:
            return sealing.unseal(each, f"certificate-key:{spki_sha256}")
        except ProblemError as error:
            problem = error.problem
    raise ProblemError(problem)


def _sealed_keys(gateway: Gateway) -> Iterator[tuple[str, str]]:
    newest = Certificate.objects.filter(gateway=gateway).order_by("-pk")[:MOST_KEYS]
    for chain_pem, sealed_key in newest.values_list("chain_pem", "sealed_key"):
        with contextlib.suppress(ProblemError):
            leaf = pem.split(chain_pem.encode())[0]
            yield keys.spki_sha256(leaf.public_key()), sealed_key


def renewal_id(certificate: Certificate) -> str:
    """What its CA knows the certificate by when it is renewed (RFC 9773 §4.1); empty if by none.

    Also where the stored chain cannot be read: that must not keep from replacing it.
    """
    try:
        chain = pem.split(certificate.chain_pem.encode())
    except ProblemError:
        return ""
    return pem.renewal_id(chain[0])


def live_directory(gateway: Gateway) -> Path:
    """Where the gateway's services find the files in use."""
    return _shelf(gateway).link


def is_live(gateway: Gateway, certificate: Certificate) -> bool:
    """Whether the files in use are this certificate's, each of them, byte by byte.

    What cannot be read is not. Where the key cannot be opened its file only has to be there.
    """
    directory = live_directory(gateway)
    try:
        files = public_files(certificate)
    except ProblemError:
        return False
    with contextlib.suppress(ProblemError):
        files = files | _key_file(certificate)
    try:
        return bool((directory / KEY_FILE).read_bytes()) and all(
            (directory / name).read_bytes() == content for name, content in files.items()
        )
    except OSError:
        return False


def in_use(gateway: Gateway) -> str | None:
    """Which set of files is in use, for :func:`go_back`; None without any. Raises ProblemError."""
    shelf = _shelf(gateway)
    try:
        return shelf.in_use()
    except OSError as error:
        raise ProblemError(_cannot_write(shelf.link, error, is_switched=False)) from error


def write_live(gateway: Gateway, certificate: Certificate) -> Path:
    """Put the certificate's files into use; returns their directory.

    The caller has locked the gateway's row. Raises ProblemError when the files cannot be written;
    the files in use before then stay as they were, complete.

    What readers may rely on: each file is complete whenever it is opened; the link is never
    missing once it is there; and whoever resolves the link once and opens all files in that one
    directory gets files that belong together. Whoever opens them one after the other through
    the link may get two certificates' files if a switch comes between.
    """
    shelf = _shelf(gateway)
    files = public_files(certificate) | _key_file(certificate)
    before = in_use(gateway)
    try:
        shelf.put(f"{certificate.pk:08d}", files)
    except OSError as error:
        is_switched = in_use(gateway) != before
        raise ProblemError(_cannot_write(shelf.link, error, is_switched=is_switched)) from error
    return shelf.link


def go_back(gateway: Gateway, before: str | None) -> None:
    """Put the files into use again that :func:`in_use` named. Raises ProblemError."""
    shelf = _shelf(gateway)
    try:
        shelf.use(before)
    except OSError as error:
        raise ProblemError(_cannot_write(shelf.link, error, is_switched=True)) from error


def public_files(certificate: Certificate) -> dict[str, bytes]:
    """The files without the key, by name. Raises ProblemError for an unreadable chain."""
    chain = pem.split(certificate.chain_pem.encode())
    leaf, issuers = pem.to_pem(chain[:1]), pem.to_pem(chain[1:])
    return {
        "fullchain.pem": (leaf + issuers).encode(),
        "cert.pem": leaf.encode(),
        "chain.pem": issuers.encode(),
    }


def _key_file(certificate: Certificate) -> dict[str, bytes]:
    return {KEY_FILE: keys.to_pem(private_key(certificate))}


def _shelf(gateway: Gateway) -> Shelf:
    return Shelf(disk.data_directory(), _safe(gateway.slug))


def _safe(slug: str) -> str:
    # The model's field says so too; here it is what keeps a slug from being a path.
    if not _SLUG.fullmatch(slug):
        raise ValueError(f"not a slug: {slug!r}")
    return slug


def _cannot_write(link: Path, error: OSError, *, is_switched: bool) -> Problem:
    which = (
        "The new files are in use all the same, but a power cut may take them back."
        if is_switched
        else "The files in use before are untouched."
    )
    return Problem(
        code="certificate-files-not-written",
        severity=Severity.ERROR,
        explanation=(
            f"The certificate's files could not be written to {link}: {error.strerror}. {which}"
        ),
        remedy=(
            "Check that the disk is not full and that this user may write to the data directory.",
            "Then press Try again.",
        ),
        detail=str(error),
        retryable=True,
    )


def _no_key() -> Problem:
    return Problem(
        code="no-key-found",
        severity=Severity.ERROR,
        explanation="There is no private key for this certificate, neither in the files nor here.",
        remedy=("Choose the file of the private key as well.",),
    )


def _unreadable_key(detail: str) -> Problem:
    return Problem(
        code="key-unreadable",
        severity=Severity.ERROR,
        explanation="The stored private key is damaged.",
        remedy=("Import the certificate with its private key again.",),
        detail=detail,
    )
