"""Puts certificates to use: which one a gateway's services get, and from which source."""

from __future__ import annotations

import datetime

from django.db import transaction

from certificates import events, importing, pem, store
from certificates.models import Certificate, CertificateSource, Gateway, Issuance, Level, Origin
from challenges.problems import Problem, ProblemError


def install(
    gateway: Gateway,
    certificate: Certificate,
    now: datetime.datetime,
    issuance: Issuance | None = None,
) -> bool:
    """Put an issued certificate to use, unless another was selected manually meanwhile.

    The files are switched inside the transaction: when they cannot be written the row goes on
    saying what is really in use. Safe to repeat. Raises ProblemError.
    """
    with transaction.atomic():
        row = Gateway.objects.select_for_update().get(pk=gateway.pk)
        if not row.uses_lets_encrypt:
            events.record(
                "certificate-not-installed",
                "The new certificate was stored but not put to use, because another certificate "
                "has been selected manually.",
                gateway=row,
                issuance=issuance,
                at=now,
            )
            return False
        Gateway.objects.filter(pk=row.pk).update(selected_certificate=certificate)
        directory = store.write_live(row, certificate)
        events.record(
            "certificate-installed",
            f"The certificate for {', '.join(certificate.names)} is in use. "
            f"It is valid until {certificate.not_after:%Y-%m-%d %H:%M} UTC.",
            gateway=row,
            issuance=issuance,
            detail=f"Issuer: {certificate.issuer}\nSerial: {certificate.serial}\n"
            f"Files: {directory}",
            at=now,
        )
    return True


def repair(now: datetime.datetime) -> int:
    """Make the files in use again what the rows say; returns how many gateways needed it.

    A power cut between the switch of the files and the commit, or somebody's hand, may have
    parted them. What cannot be written is logged, and the next gateway is looked at.
    """
    repaired = 0
    for gateway in Gateway.objects.exclude(selected_certificate=None).select_related(
        "selected_certificate"
    ):
        certificate = gateway.selected_certificate
        if certificate is None or store.is_live(gateway, certificate):
            continue
        try:
            store.write_live(gateway, certificate)
        except ProblemError as error:
            _record_repair(gateway, error.problem.explanation, Level.ERROR, now)
            continue
        sentence = "The files in use were not those of the selected certificate; they are now."
        _record_repair(gateway, sentence, Level.WARNING, now)
        repaired += 1
    return repaired


def _record_repair(gateway: Gateway, sentence: str, level: Level, now: datetime.datetime) -> None:
    code = "certificate-files-repaired" if level == Level.WARNING else "certificate-files-wrong"
    events.record(code, sentence, level=level, gateway=gateway, at=now)


def add_imported(
    gateway: Gateway, imported: importing.ImportedCertificate, now: datetime.datetime, by: str = ""
) -> tuple[Certificate, list[Problem]]:
    """Store an imported certificate; the notes say what would keep it from being used."""
    with transaction.atomic():
        certificate = store.add(gateway, imported.chain, imported.key_der, Origin.IMPORTED)
        events.record(
            "certificate-imported",
            f"A certificate for {', '.join(certificate.names) or 'no host name'} "
            f"was imported{_by(by)}.",
            gateway=gateway,
            detail=f"Issuer: {certificate.issuer}\nSerial: {certificate.serial}",
            at=now,
        )
    problem = why_not_selectable(certificate, gateway, now)
    return certificate, [problem] if problem else []


def why_not_selectable(
    certificate: Certificate, gateway: Gateway, now: datetime.datetime
) -> Problem | None:
    """Why the gateway cannot use this certificate; None when it can."""
    try:
        facts = pem.facts(pem.split(certificate.chain_pem.encode()))
        pem.check_validity(facts, now)
        pem.check_names(facts, gateway.names)
    except ProblemError as error:
        return error.problem
    return None


def select(
    certificate: Certificate, gateway: Gateway, now: datetime.datetime, by: str = ""
) -> None:
    """Use this certificate from now on.

    Any but the newest issued one makes the source Manual and ends automatic renewal; the newest
    issued one is what Let's Encrypt's source would use, so it keeps or restores that source.
    Raises ProblemError when it does not fit, or its files cannot be written.
    """
    if certificate.gateway_id != gateway.pk:
        raise ValueError(f"certificate {certificate.pk} is not of gateway {gateway.pk}")
    with transaction.atomic():
        row = Gateway.objects.select_for_update().get(pk=gateway.pk)
        if problem := why_not_selectable(certificate, row, now):
            raise ProblemError(problem)
        issued = newest_issued(row)
        source = (
            CertificateSource.LETS_ENCRYPT
            if issued is not None and issued.pk == certificate.pk
            else CertificateSource.MANUAL
        )
        Gateway.objects.filter(pk=row.pk).update(
            selected_certificate=certificate, certificate_source=source
        )
        store.write_live(row, certificate)
        events.record(
            "certificate-selected",
            _selected_sentence(certificate, source, by),
            gateway=row,
            detail=f"Issuer: {certificate.issuer}\nSerial: {certificate.serial}",
            at=now,
        )


def return_to_lets_encrypt(gateway: Gateway, now: datetime.datetime, by: str = "") -> None:
    """Let the certificates come from Let's Encrypt again, beginning with the newest issued one.

    Without a usable one the present certificate stays in use until a new one is obtained.
    Raises ProblemError when the files cannot be written.
    """
    with transaction.atomic():
        row = Gateway.objects.select_for_update().get(pk=gateway.pk)
        Gateway.objects.filter(pk=row.pk).update(certificate_source=CertificateSource.LETS_ENCRYPT)
        issued = newest_issued(row)
        usable = issued is not None and why_not_selectable(issued, row, now) is None
        if issued is not None and usable:
            Gateway.objects.filter(pk=row.pk).update(selected_certificate=issued)
            store.write_live(row, issued)
        what_next = (
            "automatic renewal is on"
            if usable
            else "automatic renewal begins once a certificate has been obtained from there"
        )
        events.record(
            "source-lets-encrypt",
            f"The certificate source is Let's Encrypt again{_by(by)}; {what_next}.",
            gateway=row,
            at=now,
        )


def newest_issued(gateway: Gateway) -> Certificate | None:
    """The newest certificate that Let's Encrypt has issued for the gateway."""
    return (
        Certificate.objects.filter(gateway=gateway, origin=Origin.LETS_ENCRYPT)
        .order_by("-not_before", "-pk")
        .first()
    )


def _selected_sentence(certificate: Certificate, source: CertificateSource, by: str) -> str:
    what = f"The certificate from {certificate.issuer} was selected{_by(by)}."
    if source == CertificateSource.LETS_ENCRYPT:
        return f"{what} It is the newest from Let's Encrypt, so automatic renewal is on."
    return f"{what} The certificate source is now Manual, so automatic renewal is off."


def _by(name: str) -> str:
    return f" by {name}" if name else ""
