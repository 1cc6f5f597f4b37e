"""Acts on the renewal policy: which gateways are due, and asks for their issuances."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, TypedDict

from django.db.models import Exists, OuterRef, QuerySet, Subquery

from certificates import issuing
from certificates.models import Certificate, CertificateSource, Gateway, Issuance, Origin, Trigger
from certificates.policy import renewal
from certificates.policy.issuance import State
from challenges.problems import ProblemError

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations


class _LastIssuance(TypedDict):
    """What the query adds to each gateway; None where it has had no issuance."""

    last_state: str | None
    last_attempt: int | None
    last_finished_at: datetime.datetime | None
    last_retry_not_before: datetime.datetime | None


def renewable() -> QuerySet[WithAnnotations[Gateway, _LastIssuance]]:
    """The gateways whose certificate is renewed automatically, with what decides when.

    Only while the source is Let's Encrypt and the certificate in use came from there.
    """
    last = Issuance.objects.filter(gateway=OuterRef("pk"), finished_at__isnull=False).order_by(
        "-started_at", "-pk"
    )
    return Gateway.objects.filter(
        certificate_source=CertificateSource.LETS_ENCRYPT,
        selected_certificate__origin=Origin.LETS_ENCRYPT,
    ).annotate(
        last_state=Subquery(last.values("state")[:1]),
        last_attempt=Subquery(last.values("attempt")[:1]),
        last_finished_at=Subquery(last.values("finished_at")[:1]),
        last_retry_not_before=Subquery(last.values("retry_not_before")[:1]),
    )


def plan(
    gateway: Gateway, certificate: Certificate | None, last: Issuance | None
) -> renewal.Plan | None:
    """When the gateway's certificate is renewed next and why; None when it is not."""
    if (
        not gateway.uses_lets_encrypt
        or certificate is None
        or certificate.origin != Origin.LETS_ENCRYPT
    ):
        return None
    failed = last is not None and last.current is State.FAILED
    return renewal.next_renewal(
        certificate.not_before,
        certificate.not_after,
        failed_attempts=last.attempt if last is not None and failed else 0,
        last_failure_at=last.finished_at if last is not None and failed else None,
        not_before_retry=last.retry_not_before if last is not None else None,
    )


def request_due(now: datetime.datetime) -> list[int]:
    """Ask for every renewal that is due; returns the ids of the issuances to be advanced."""
    requested = []
    running = Issuance.objects.filter(gateway=OuterRef("pk"), finished_at__isnull=True)
    for gateway in renewable().exclude(Exists(running)).select_related("selected_certificate"):
        if not _is_due(gateway, now):
            continue
        try:
            issuance = issuing.request(gateway, trigger=Trigger.RENEWAL, now=now)
        except ProblemError:
            # Why it cannot start (the terms, a pause that the CA asked for) is a warning that
            # is computed; the next sweep looks again.
            continue
        requested.append(issuance.pk)
    return requested


def _is_due(gateway: WithAnnotations[Gateway, _LastIssuance], now: datetime.datetime) -> bool:
    last = Issuance(
        state=gateway.last_state or State.DONE,
        attempt=gateway.last_attempt or 0,
        finished_at=gateway.last_finished_at,
        retry_not_before=gateway.last_retry_not_before,
    )
    planned = plan(gateway, gateway.selected_certificate, last)
    return planned is not None and planned.at <= now
