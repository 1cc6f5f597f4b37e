"""What the pages about gateways show."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable

from django.core.paginator import Page
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from certificates import renewing
from certificates.models import Certificate, Event, Gateway, Issuance, Origin
from certificates.policy.issuance import State
from certificates.policy.validity import days_left, validity
from certificates.queries.certificates import CertificateRow, newest_certificates, validity_words
from certificates.queries.console import newest_listener
from certificates.queries.issuances import last_issuances, newest_issuances
from certificates.queries.log import newest_events
from certificates.queries.pages import page_of
from certificates.queries.warnings import warnings_of
from challenges.models import ChallengeListener, NetworkSettings
from challenges.problems import Problem, Severity

ROWS_PER_PAGE = 50
ISSUANCES_SHOWN = 5
CERTIFICATES_SHOWN = 10
EVENTS_SHOWN = 10
# No list shows a chain, and none may hold a key.
_HEAVY = ("selected_certificate__chain_pem", "selected_certificate__sealed_key")


@dataclasses.dataclass(frozen=True, slots=True)
class NextRenewal:
    """When the next certificate is asked for, and a sentence why then."""

    at: datetime.datetime
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class GatewaySummary:
    """One gateway at a glance.

    ``tone`` is good, attention, bad, busy or neutral, and ``status`` the words for it;
    ``renewal_off`` says why there is no automatic renewal, and is empty where there is.
    """

    gateway: Gateway
    certificate: Certificate | None
    days_left: int | None
    next_renewal: NextRenewal | None
    renewal_off: str
    last_issuance: Issuance | None
    warnings: tuple[Problem, ...]
    tone: str
    status: str

    @property
    def live_issuance(self) -> Issuance | None:
        """The issuance that is running now."""
        last = self.last_issuance
        return last if last is not None and not last.is_terminal else None

    @property
    def failed_issuance(self) -> Issuance | None:
        """The last issuance, if it failed."""
        last = self.last_issuance
        return last if last is not None and last.current is State.FAILED else None

    @property
    def issue_label(self) -> str:
        """The word on the button that starts an issuance; empty where there is nothing to start."""
        if not self.gateway.uses_lets_encrypt or self.live_issuance is not None:
            return ""
        has_issued = self.certificate is not None and self.certificate.origin == Origin.LETS_ENCRYPT
        return _("Renew now") if has_issued else _("Test and obtain certificate")


def gateways_page(
    number: str | None, search: str, now: datetime.datetime, size: int = ROWS_PER_PAGE
) -> Page[GatewaySummary]:
    """One page of gateways by hostname, those whose names hold the search alone. Three queries."""
    found = _with_certificate(Gateway.objects.order_by("hostname", "pk"))
    if search:
        found = found.filter(Q(hostname__icontains=search) | Q(slug__icontains=search))
    return page_of(found, number, size, summaries, now)


def summaries(gateways: Iterable[Gateway], now: datetime.datetime) -> list[GatewaySummary]:
    """Gateways with their selected certificates fetched, at a glance. One query for all."""
    gateways = list(gateways)
    last = last_issuances(gateways)
    return [_summary(gateway, last.get(gateway.pk), now) for gateway in gateways]


@dataclasses.dataclass(frozen=True, slots=True)
class GatewayDetails:
    """Everything about one gateway. Its last failure is not repeated among its warnings."""

    summary: GatewaySummary
    network: NetworkSettings
    listener: ChallengeListener | None
    issuances: list[Issuance]
    certificates: list[CertificateRow]
    events: list[Event]


def gateway_details(slug: str, now: datetime.datetime) -> GatewayDetails:
    """One gateway's page. Six queries. Raises Gateway.DoesNotExist."""
    gateway = _with_certificate(Gateway.objects.all()).get(slug=slug)
    issuances = newest_issuances(gateway, ISSUANCES_SHOWN)
    summary = _summary(gateway, issuances[0] if issuances else None, now)
    failure = summary.failed_issuance.problem if summary.failed_issuance else None
    others = tuple(warning for warning in summary.warnings if warning != failure)
    return GatewayDetails(
        summary=dataclasses.replace(summary, warnings=others),
        network=NetworkSettings.load(),
        listener=newest_listener(),
        issuances=issuances,
        certificates=newest_certificates(gateway, CERTIFICATES_SHOWN, now),
        events=newest_events(EVENTS_SHOWN, gateway),
    )


def _with_certificate(gateways: QuerySet[Gateway]) -> QuerySet[Gateway]:
    return gateways.select_related("selected_certificate").defer(*_HEAVY)


def _summary(gateway: Gateway, last: Issuance | None, now: datetime.datetime) -> GatewaySummary:
    certificate = gateway.selected_certificate
    plan = renewing.plan(gateway, certificate, last)
    warnings = warnings_of(gateway, certificate, last, now)
    tone, status = _standing(certificate, last, warnings, now)
    return GatewaySummary(
        gateway=gateway,
        certificate=certificate,
        days_left=days_left(certificate.not_after, now) if certificate else None,
        next_renewal=NextRenewal(plan.at, plan.reason.sentence) if plan else None,
        renewal_off=_why_renewal_is_off(gateway, certificate),
        last_issuance=last,
        warnings=warnings,
        tone=tone,
        status=status,
    )


def _standing(
    certificate: Certificate | None,
    last: Issuance | None,
    warnings: tuple[Problem, ...],
    now: datetime.datetime,
) -> tuple[str, str]:
    """Tone and words. What is running comes first, and warnings never leave it at good."""
    if last is not None and not last.is_terminal:
        return "busy", last.current.label
    if certificate is None:
        return ("bad" if last else "neutral"), _("No certificate")
    state = validity(certificate.not_before, certificate.not_after, now)
    severities = {warning.severity for warning in warnings}
    tone = state.tone
    if Severity.ERROR in severities:
        tone = "bad"
    elif Severity.WARNING in severities and tone == "good":
        tone = "attention"
    return tone, validity_words(state)


def _why_renewal_is_off(gateway: Gateway, certificate: Certificate | None) -> str:
    if gateway.uses_lets_encrypt:
        return ""
    if certificate is None or certificate.origin == Origin.LETS_ENCRYPT:
        return _("Automatic renewal is off because the certificate source is Manual.")
    return _(
        "Automatic renewal is off because another certificate than the one from Let's Encrypt has "
        "been selected manually."
    )
