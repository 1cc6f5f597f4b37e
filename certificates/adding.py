"""Adds certificates from elsewhere to a gateway: new ones, and new versions of those it has."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from django.db import transaction

from certificates import deploying, events, importing, store, versions
from certificates.models import Certificate, CertificateRequest, Gateway, Origin
from certificates.policy import selecting
from challenges.problems import Problem, ProblemError, Severity


def add_imported(
    gateway: Gateway,
    imported: importing.ImportedCertificate,
    now: datetime.datetime,
    by: str = "",
    *,
    replaces: Certificate | None = None,
    origin: Origin = Origin.IMPORTED,
) -> tuple[Certificate, list[Problem]]:
    """Store a certificate from elsewhere; the notes say what is wrong with it, or keeps it from
    being used, or that it is here already.

    ``replaces`` is the version before it. While any version of the same certificate is in use, the
    new one is from now on, with its files switched and the source as it was; all are kept. Raises
    ProblemError, with nothing stored, for a certificate that holds none of the gateway's names, for
    one whose key is not there, for a version that cannot follow, and when it would have to be used
    and cannot be.
    """
    if problem := selecting.why_foreign(imported.chain.names, gateway.names):
        raise ProblemError(problem)
    if replaces is not None:
        certificate, news = _add_version(replaces, imported, origin, now, by), None
    else:
        certificate, news = _add_entry(gateway, imported, origin, now, by)
    notes = [*imported.notes, *([news] if news else [])]
    unfit = deploying.why_not_selectable(certificate, gateway, now)
    if unfit is not None and unfit.code not in {note.code for note in notes}:
        notes.append(unfit)
    return certificate, notes


def was_known(notes: Iterable[Problem]) -> bool:
    """Whether the notes of an import say that nothing was stored, because it is here already."""
    return any(note.code == "certificate-known-already" for note in notes)


def _add_entry(
    gateway: Gateway,
    imported: importing.ImportedCertificate,
    origin: Origin,
    now: datetime.datetime,
    by: str,
) -> tuple[Certificate, Problem | None]:
    """Without a version before it; with a note where it is here already."""
    with transaction.atomic():
        # The gateway's row first, as in every change of what it has.
        row = Gateway.objects.select_for_update().get(pk=gateway.pk)
        known = _same(row, imported.chain.sha256)
        sealed = known.sealed_key if known is not None else ""
        certificate = _stored(row, imported, origin)
        if known is None:
            _record(row, certificate, f"was imported{events.by_whom(by)}.", now)
            return certificate, None
        if certificate.sealed_key == sealed:
            return certificate, _known_already(certificate)
        what = (
            f"that is here as number {certificate.pk} got its private key back{events.by_whom(by)}."
        )
        _record(row, certificate, what, now)
    return certificate, None


def _add_version(
    replaced: Certificate,
    imported: importing.ImportedCertificate,
    origin: Origin,
    now: datetime.datetime,
    by: str,
) -> Certificate:
    """Locked, so that of two versions brought in at once the second sees the first."""
    with deploying.changing(replaced.gateway_id) as row:
        if problem := _why_no_version(replaced, imported.chain.sha256):
            raise ProblemError(problem)
        line = versions.line(replaced)
        is_in_use = selecting.takes_over(row.selected_certificate_id, line)
        if is_in_use and (unfit := deploying.why_not_usable(imported.chain, row, now)):
            raise ProblemError(unfit)
        certificate = _stored(row, imported, origin)
        certificate.replaces = replaced
        certificate.save(update_fields=["replaces"])
        if is_in_use:
            deploying.put_to_use(row, certificate)
        whether = "It is in use now." if is_in_use else "It is not in use yet."
        version = f"as a new version of number {replaced.pk}. {whether}"
        what = f"was brought in{events.by_whom(by)} {version}"
        _record(row, certificate, what, now)
    return certificate


def _why_no_version(replaced: Certificate, sha256: str) -> Problem | None:
    """Why a certificate of that fingerprint cannot follow the other; None when it can."""
    if replaced.origin == Origin.LETS_ENCRYPT:
        return _refusal(
            "certificate-not-replaceable",
            "A certificate from Let's Encrypt is followed by its renewal and by no other.",
            "Import the new one as a certificate of its own.",
        )
    if newer := Certificate.objects.filter(replaces=replaced).first():
        return _refusal(
            "certificate-replaced-already",
            f"This certificate has a newer version already: certificate number {newer.pk}.",
            "Replace that one.",
        )
    if same := _same(replaced.gateway, sha256):
        return _refusal(
            "certificate-known-already",
            f"This is no new version: it is certificate number {same.pk}, which is here already.",
            "Choose the files of the new certificate, or use the one that is here.",
        )
    return None


def _same(gateway: Gateway, sha256: str) -> Certificate | None:
    return Certificate.objects.filter(gateway=gateway, sha256=sha256).first()


def _stored(
    gateway: Gateway, imported: importing.ImportedCertificate, origin: Origin
) -> Certificate:
    """The row, with a key that is kept here where none was brought along."""
    spki_sha256 = imported.chain.spki_sha256
    key_der = imported.key_der or store.kept_key(gateway, spki_sha256)
    request = CertificateRequest.objects.filter(gateway=gateway, spki_sha256=spki_sha256)
    if request.exists():
        # However it was brought in, it is what the request was made for.
        origin = Origin.REQUESTED
    certificate = store.add(gateway, imported.chain, key_der, origin)
    request.update(certificate=certificate)
    return certificate


def _record(gateway: Gateway, certificate: Certificate, what: str, now: datetime.datetime) -> None:
    events.record(
        "certificate-imported",
        f"A certificate for {selecting.listed(certificate.names)} {what}",
        gateway=gateway,
        detail=f"Issuer: {certificate.issuer}\nSerial: {certificate.serial}",
        at=now,
    )


def _known_already(certificate: Certificate) -> Problem:
    return Problem(
        code="certificate-known-already",
        severity=Severity.INFO,
        explanation=f"This certificate is here already, as number {certificate.pk}.",
        remedy=("If you meant to bring in another one, choose the files of that.",),
    )


def _refusal(code: str, explanation: str, step: str) -> Problem:
    return Problem(code=code, severity=Severity.ERROR, explanation=explanation, remedy=(step,))
