"""Puts certificates to use: which one a gateway's services get, and from which source."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path

from certificates import backoffs, events, pem, plans, requesting, store
from certificates.models import (
    Certificate,
    CertificateSource,
    Gateway,
    Issuance,
    Origin,
    Trigger,
)
from certificates.policy import selecting
from certificates.policy.names import identifier_set
from certificates.switching import changing
from challenges.problems import Problem, ProblemError

__all__ = [
    "Returned",
    "changing",
    "install",
    "newest_issued",
    "put_to_use",
    "return_to_lets_encrypt",
    "select",
    "why_not_selectable",
    "why_not_usable",
]


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
        directory = put_to_use(row, certificate)
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


def why_not_selectable(
    certificate: Certificate, gateway: Gateway, now: datetime.datetime
) -> Problem | None:
    """Why the gateway cannot use this certificate; None when it can."""
    try:
        facts = pem.facts(pem.split(certificate.chain_pem.encode()))
    except ProblemError as error:
        return error.problem
    return why_not_usable(facts, gateway, now, store.why_keyless(certificate, facts))


def why_not_usable(
    facts: pem.ChainFacts,
    gateway: Gateway,
    now: datetime.datetime,
    key_problem: Problem | None = None,
) -> Problem | None:
    """The same of a chain that need not be stored; ``key_problem`` is what its key lacks."""
    candidate = selecting.Candidate(
        names=facts.names,
        issuer=facts.issuer,
        not_before=facts.not_before,
        not_after=facts.not_after,
        key_problem=key_problem,
        is_staging=facts.issuer.lower().startswith(pem.STAGING_ISSUERS),
    )
    return selecting.why_not(candidate, gateway.names, now)


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
        Gateway.objects.filter(pk=row.pk).update(certificate_source=source)
        put_to_use(row, certificate)
        events.record(
            "certificate-selected",
            _selected_sentence(certificate, source, by),
            gateway=row,
            detail=f"Issuer: {certificate.issuer}\nSerial: {certificate.serial}",
            at=now,
        )


def put_to_use(row: Gateway, certificate: Certificate) -> Path:
    """Row and files, within :func:`changing` and without a change of the source; returns where the
    files are. The caller has checked that it fits. Raises ProblemError."""
    Gateway.objects.filter(pk=row.pk).update(selected_certificate=certificate, files_problem=None)
    row.selected_certificate = certificate
    return store.write_live(row, certificate)


@dataclasses.dataclass(frozen=True, slots=True)
class Returned:
    """What follows from a return to Let's Encrypt: an issuance that was begun, to be advanced by
    whoever called; or why one that is needed could not begin. Neither while all is well."""

    issuance: Issuance | None = None
    held_back: Problem | None = None


def return_to_lets_encrypt(gateway: Gateway, now: datetime.datetime, by: str = "") -> Returned:
    """Let the certificates come from Let's Encrypt again, beginning with the newest issued one.

    Without a usable one the present certificate stays in use until a new one is obtained. What
    is missing or due is asked for at once. Raises ProblemError, with nothing changed, when the
    files cannot be written.
    """
    with changing(gateway.pk) as row:
        row.certificate_source = CertificateSource.LETS_ENCRYPT
        Gateway.objects.filter(pk=row.pk).update(certificate_source=row.certificate_source)
        # Somebody has edited something, so what had stopped is tried again.
        backoffs.forgive(identifier_set(row.names), now)
        issued = newest_issued(row)
        usable = issued is not None and why_not_selectable(issued, row, now) is None
        if issued is not None and usable:
            put_to_use(row, issued)
        what_next = (
            "automatic renewal is on"
            if usable
            else "automatic renewal begins once a certificate has been obtained from there"
        )
        events.record(
            "source-lets-encrypt",
            f"The certificate source is Let's Encrypt again{events.by_whom(by)}; {what_next}.",
            gateway=row,
            at=now,
        )
        return _renewed_if_needed(row, now, by)


def _renewed_if_needed(row: Gateway, now: datetime.datetime, by: str) -> Returned:
    """Ask for what the gateway lacks: its first certificate from there, or a renewal that is due.

    A pause or an absence that the plan knows of is left to the sweep, which looks again.
    """
    trigger = Trigger.MANUAL
    if plans.is_renewed(row, row.selected_certificate):
        plan = plans.plan(row, row.selected_certificate, plans.circumstances([row]), now)
        if plan is None or plan.at > now:
            return Returned()
        trigger = Trigger.RENEWAL
    try:
        return Returned(requesting.request(row, trigger=trigger, now=now, by=by))
    except ProblemError as error:
        return Returned(held_back=error.problem)


def newest_issued(gateway: Gateway) -> Certificate | None:
    """The newest certificate that Let's Encrypt has issued for the gateway."""
    return (
        Certificate.objects.filter(gateway=gateway, origin=Origin.LETS_ENCRYPT)
        .order_by("-not_before", "-pk")
        .first()
    )


def _selected_sentence(certificate: Certificate, source: CertificateSource, by: str) -> str:
    what = f"The certificate from {certificate.issuer} was selected{events.by_whom(by)}."
    if source == CertificateSource.LETS_ENCRYPT:
        return f"{what} It is the newest from Let's Encrypt, so automatic renewal is on."
    return f"{what} The certificate source is now Manual, so automatic renewal is off."
