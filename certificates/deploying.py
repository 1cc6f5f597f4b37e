"""Puts certificates to use: which one a gateway's services get, and from which source."""

from __future__ import annotations

import contextlib
import datetime
import logging
from collections.abc import Iterator

from django.db import transaction

from certificates import backoffs, events, importing, pem, store
from certificates.models import Certificate, CertificateSource, Gateway, Issuance, Origin
from certificates.policy.names import identifier_set
from challenges.problems import Problem, ProblemError

logger = logging.getLogger("gateway_admin.deploying")


class _Switch:
    """Which files were in use at the beginning of a transaction, and which at its end."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.before = self.after = store.in_use(gateway)

    def note(self) -> None:
        """The transaction is about to end."""
        with contextlib.suppress(ProblemError):
            self.after = store.in_use(self.gateway)

    def undo(self) -> None:
        """The transaction failed."""
        if self.after == self.before:
            return
        try:
            # The row is no longer locked: what somebody else has put into use meanwhile stays.
            if store.in_use(self.gateway) == self.after:
                store.go_back(self.gateway, self.before)
        except ProblemError as error:
            # The next repair makes the files what the row says.
            logger.warning("%s", error.problem.explanation)


@contextlib.contextmanager
def changing(pk: int) -> Iterator[Gateway]:
    """A transaction that holds the gateway's row, and that the files in use follow.

    Whatever makes it fail, the commit included, the files in use are then again those before,
    which are the row's. May be used inside of itself; the outermost one knows of the commit.
    """
    switch: _Switch | None = None
    try:
        with transaction.atomic():
            row = Gateway.objects.select_for_update().get(pk=pk)
            switch = _Switch(row)
            try:
                yield row
            finally:
                switch.note()
    except BaseException:
        if switch is not None:
            switch.undo()
        raise


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
    with changing(gateway.pk) as row:
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
        Gateway.objects.filter(pk=row.pk).update(
            selected_certificate=certificate, files_problem=None
        )
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
    with changing(gateway.pk) as row:
        if problem := why_not_selectable(certificate, row, now):
            raise ProblemError(problem)
        issued = newest_issued(row)
        source = (
            CertificateSource.LETS_ENCRYPT
            if issued is not None and issued.pk == certificate.pk
            else CertificateSource.MANUAL
        )
        Gateway.objects.filter(pk=row.pk).update(
            selected_certificate=certificate, certificate_source=source, files_problem=None
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
    with changing(gateway.pk) as row:
        Gateway.objects.filter(pk=row.pk).update(certificate_source=CertificateSource.LETS_ENCRYPT)
        # Somebody has edited something, so what had stopped is tried again.
        backoffs.forgive(identifier_set(row.names), now)
        issued = newest_issued(row)
        usable = issued is not None and why_not_selectable(issued, row, now) is None
        if issued is not None and usable:
            Gateway.objects.filter(pk=row.pk).update(
                selected_certificate=issued, files_problem=None
            )
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
