"""Certificate requests for CAs that a person deals with: made here, with a key no CA ever sees."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from django.db import transaction

from certificates import adding, deploying, events, importing, keys, pem, store, versions
from certificates.models import Certificate, CertificateRequest, Gateway, Origin
from certificates.policy import selecting
from certificates.subjects import RequestRejectedError, Subject, checked
from challenges.problems import Problem, ProblemError, Severity

__all__ = [
    "RequestRejectedError",
    "Subject",
    "answer",
    "create",
    "discard",
    "kept_key",
    "known_keys",
]

# By which the reader says that it knows no key for the certificate.
_FOR_ANOTHER_KEY = frozenset({"no-key-found", "key-does-not-match"})


def create(
    gateway: Gateway,
    names: Sequence[str],
    key_type: str,
    subject: Subject,
    now: datetime.datetime,
    by: str = "",
) -> CertificateRequest:
    """Make a key and a request for the names (all the gateway's without any) and store both.

    Raises RequestRejectedError with nothing stored, or ProblemError when the key cannot be sealed.
    """
    content = checked(gateway, names, key_type, subject)
    key = keys.generate(content.key_type)
    with transaction.atomic():
        request = CertificateRequest.objects.create(
            gateway=gateway,
            names=content.names,
            subject=content.particulars,
            key_type=content.key_type.value,
            csr_pem=pem.csr_to_pem(keys.make_csr(key, content.names, content.attributes)),
            sealed_key=store.seal_key(keys.to_der(key), key.public_key()),
            spki_sha256=keys.spki_sha256(key.public_key()),
        )
        _record("certificate-request-created", request, f"was created{events.by_whom(by)}.", now)
    return request


def answer(
    request: CertificateRequest,
    files: Sequence[bytes],
    now: datetime.datetime,
    by: str = "",
    *,
    select: bool = False,
) -> tuple[Certificate, list[Problem]]:
    """Store what the CA has answered; the notes say what would keep it from being used.

    A further answer is the next version of the certificate that came of the first, and in use if
    that is, or with ``select``. Raises ProblemError, with nothing stored, for what cannot be read
    or belongs to another key, for what :func:`adding.add_imported` refuses, and for what is to be
    used and cannot be.
    """
    imported = _read(request, files, now)
    # The gateway's row first, as in every change of what it has.
    with deploying.changing(request.gateway_id) as gateway:
        row = CertificateRequest.objects.select_related("certificate").filter(pk=request.pk).first()
        if row is None:
            raise ProblemError(_gone())
        certificate, notes = adding.add_imported(
            gateway,
            imported,
            now,
            by,
            replaces=_version_before(row, imported),
            origin=Origin.REQUESTED,
        )
        if select:
            deploying.select(certificate, gateway, now, by)
    request.certificate = certificate
    return certificate, notes


def discard(request: CertificateRequest, now: datetime.datetime, by: str = "") -> bool:
    """Forget a request and its key; a certificate that came of it keeps a copy of its own.

    Returns whether the key is gone with it.
    """
    with transaction.atomic():
        Gateway.objects.select_for_update().get(pk=request.gateway_id)
        stored = CertificateRequest.objects.filter(pk=request.pk)
        is_answered = stored.filter(certificate__isnull=False).exists()
        rows, _each = stored.delete()
        if rows:
            key = (
                ". Its certificate keeps the private key."
                if is_answered
                else ", and its private key with it."
            )
            _record(
                "certificate-request-discarded",
                request,
                f"was deleted{events.by_whom(by)}{key}",
                now,
            )
    return not is_answered


def known_keys(gateway: Gateway) -> set[str]:
    """The keys kept here for the gateway, by the hexadecimal SHA-256 of their public halves.

    Files that are imported for the gateway need not hold them.
    """
    return store.known_keys(gateway)


def kept_key(gateway: Gateway, spki_sha256: str) -> bytes:
    """One of them as PKCS#8 DER. Raises ProblemError when it is not kept, or does not open."""
    return store.kept_key(gateway, spki_sha256)


def _read(
    request: CertificateRequest, files: Sequence[bytes], now: datetime.datetime
) -> importing.ImportedCertificate:
    """What is in the files, once it is certain that it is for the request's key."""
    # All that wait here: for an answer that was mixed up there is a better word than "no key".
    waiting = set(CertificateRequest.objects.values_list("spki_sha256", flat=True))
    try:
        imported = importing.read(files, known_keys=waiting, now=now)
    except ProblemError as error:
        if error.problem.code not in _FOR_ANOTHER_KEY:
            raise
        raise ProblemError(_for_another(None)) from error
    if imported.chain.spki_sha256 != request.spki_sha256:
        others = CertificateRequest.objects.select_related("gateway")
        other = others.filter(spki_sha256=imported.chain.spki_sha256).first()
        raise ProblemError(_for_another(other))
    return imported


def _version_before(
    request: CertificateRequest, imported: importing.ImportedCertificate
) -> Certificate | None:
    """What the answer follows; none when it is the first, or the same once more."""
    if request.certificate is None:
        return None
    newest = versions.newest(request.certificate)
    return None if newest.sha256 == imported.chain.sha256 else newest


def _record(code: str, request: CertificateRequest, what: str, now: datetime.datetime) -> None:
    events.record(
        code,
        f"The certificate request number {request.pk} for {selecting.listed(request.names)} {what}",
        gateway=request.gateway,
        at=now,
    )


def _for_another(other: CertificateRequest | None) -> Problem:
    if other is None:
        explanation = "This certificate was not issued for this request, nor for another one here."
        step = "Choose the certificate that the CA has issued for the request that you sent."
    else:
        explanation = (
            "This certificate was not issued for this request: it belongs to request number "
            f"{other.pk} of the gateway {other.gateway.slug}, for {selecting.listed(other.names)}."
        )
        step = "Bring it in there."
    return _problem("certificate-for-another-request", explanation, step)


def _gone() -> Problem:
    return _problem(
        "certificate-request-gone",
        "This certificate request has been deleted meanwhile, and its private key with it.",
        "Create a new request and send that to the CA.",
    )


def _problem(code: str, explanation: str, step: str) -> Problem:
    return Problem(code=code, severity=Severity.ERROR, explanation=explanation, remedy=(step,))
