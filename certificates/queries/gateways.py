"""What the pages about gateways show."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable

from django.core.paginator import Page
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from certificates import plans, requesting
from certificates.models import Certificate, Event, Gateway, Issuance, Origin
from certificates.policy.issuance import State
from certificates.policy.limits import Allowance, Limit
from certificates.policy.validity import days_left, validity
from certificates.queries.certificates import CertificateRow, newest_certificates, validity_words
from certificates.queries.followed import users
from certificates.queries.issuances import newest_issuances, waiting_until
from certificates.queries.log import newest_events
from certificates.queries.pages import page_of
from certificates.queries.preflights import (
    PreflightDetails,
    newest_preflight,
    with_newest_preflight,
)
from certificates.queries.warnings import Attempted, Attempts, attempts, recount, warnings_of
from challenges.models import NetworkSettings
from challenges.problems import Problem, Severity

ROWS_PER_PAGE = 50
ISSUANCES_SHOWN = 5
CERTIFICATES_SHOWN = 10
EVENTS_SHOWN = 10
# No list shows a chain, and none may hold a key.
_HEAVY = ("selected_certificate__chain_pem", "selected_certificate__sealed_key")


@dataclasses.dataclass(frozen=True, slots=True)
class NextRenewal:
    """When the next certificate is asked for, and a sentence why then.

    ``is_at_once`` says that it waits for no moment, but for what may hold it back;
    ``explanation_url`` is where the CA explains its wish, if it does so at an https address.
    """

    at: datetime.datetime
    reason: str
    is_at_once: bool = False
    explanation_url: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class GatewaySummary:
    """One gateway at a glance.

    ``tone`` is good, attention, bad, busy or neutral, and ``status`` the words for it;
    ``renewal_off`` says why there is no automatic renewal, and is empty where there is;
    ``renewal_stopped`` what has stopped it until somebody edits something; ``why_not`` what forbids
    every issuance, whatever the CAs say.
    """

    gateway: Gateway
    certificate: Certificate | None
    days_left: int | None
    next_renewal: NextRenewal | None
    renewal_off: str
    renewal_stopped: Problem | None
    last_issuance: Issuance | None
    rehearsal: Issuance | None
    warnings: tuple[Problem, ...]
    why_not: Problem | None
    tone: str
    status: str

    @property
    def live_issuance(self) -> Issuance | None:
        """The issuance that is running now."""
        running = (self.last_issuance, self.rehearsal)
        return next((each for each in running if each is not None and not each.is_terminal), None)

    @property
    def is_renewed(self) -> bool:
        """Whether what comes next is the renewal of the certificate in use: it can be rehearsed."""
        return plans.is_renewed(self.gateway, self.certificate)

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
    """One page of gateways by hostname, those whose names hold the search alone. Five queries."""
    return page_of(found_gateways(search), number, size, summaries, now)


def found_gateways(search: str = "") -> QuerySet[Gateway]:
    """By hostname, with the certificates in use; those whose names hold the search alone."""
    found = _with_certificate(Gateway.objects.order_by("hostname", "pk"))
    if search:
        found = found.filter(Q(hostname__icontains=search) | Q(slug__icontains=search))
    return found


def summaries(
    gateways: Iterable[Gateway], now: datetime.datetime, found: Attempted | None = None
) -> list[GatewaySummary]:
    """Gateways with their selected certificates fetched, at a glance. Three queries for all.

    None where somebody has fetched their attempts already.
    """
    gateways = list(gateways)
    found = found or attempts(gateways)
    return [_summary(gateway, found.of(gateway), now) for gateway in gateways]


@dataclasses.dataclass(frozen=True, slots=True)
class AllowanceRow:
    """What one of the CA's rate limits leaves; ``subject`` is whom it counts, if that is known."""

    label: str
    subject: str
    left: int
    most: int
    frees_at: datetime.datetime | None

    @property
    def tone(self) -> str:
        """Good, attention when the next one is the last, bad when none is left."""
        return "good" if self.left > 1 else "attention" if self.left else "bad"


@dataclasses.dataclass(frozen=True, slots=True)
class GatewayDetails:
    """Everything about one gateway. Its last failure is not repeated among its warnings.

    ``waiting_until`` is when what is running goes on by itself, if it waits because of a problem;
    ``allowances`` are what the production CA's rate limits leave; ``why_not`` and
    ``why_no_rehearsal`` why its buttons would be refused now.
    """

    summary: GatewaySummary
    network: NetworkSettings
    preflight: PreflightDetails | None
    issuances: list[Issuance]
    certificates: list[CertificateRow]
    events: list[Event]
    waiting_until: datetime.datetime | None
    allowances: list[AllowanceRow]
    why_not: Problem | None
    why_no_rehearsal: Problem | None


def gateway_details(slug: str, now: datetime.datetime) -> GatewayDetails:
    """One gateway's page. Ten queries. Raises Gateway.DoesNotExist."""
    gateway = with_newest_preflight(_with_certificate(Gateway.objects.all())).get(slug=slug)
    # First, because it tells the clock what the standing asks of it.
    recount(now)
    issuances, newest = newest_issuances(gateway, ISSUANCES_SHOWN)
    found = Attempts(
        newest.issuance,
        newest.rehearsal,
        plans.circumstances([gateway]),
        gateway.pk in users([gateway]),
    )
    summary = _summary(gateway, found, now)
    standing, live = requesting.standing(gateway, now), summary.live_issuance
    failure = summary.failed_issuance.problem if summary.failed_issuance else None
    others = tuple(warning for warning in summary.warnings if warning != failure)
    return GatewayDetails(
        summary=dataclasses.replace(summary, warnings=others),
        network=NetworkSettings.load(),
        preflight=newest_preflight(gateway, now),
        issuances=issuances,
        certificates=newest_certificates(gateway, CERTIFICATES_SHOWN, now),
        events=newest_events(EVENTS_SHOWN, gateway),
        waiting_until=waiting_until(live, now) if live is not None and live.problem_facts else None,
        allowances=_tightest(standing.allowances),
        why_not=standing.why_not,
        why_no_rehearsal=standing.why_no_rehearsal,
    )


def gateway_preflight(slug: str, now: datetime.datetime) -> tuple[Gateway, PreflightDetails | None]:
    """A gateway and its newest preflight. One query. Raises Gateway.DoesNotExist."""
    gateway = with_newest_preflight(Gateway.objects.all()).get(slug=slug)
    return gateway, newest_preflight(gateway, now)


def _tightest(allowances: Iterable[Allowance]) -> list[AllowanceRow]:
    """Of each limit the subject that has least left: a hundred names are not a hundred rows."""
    tightest: dict[Limit, Allowance] = {}
    for each in allowances:
        known = tightest.setdefault(each.limit, each)
        if each.left < known.left:
            tightest[each.limit] = each
    return [
        AllowanceRow(str(each.label), _subject(each), each.left, each.most, each.frees_at)
        for each in tightest.values()
    ]


def _subject(allowance: Allowance) -> str:
    if not allowance.used:
        return ""
    match allowance.limit:
        case Limit.NEW_ORDERS:
            return _("all gateways of this console")
        case Limit.CERTIFICATES_PER_SET:
            return _("the names of this gateway")
        case _:
            return allowance.subject


def _with_certificate(gateways: QuerySet[Gateway]) -> QuerySet[Gateway]:
    return gateways.select_related(
        "selected_certificate__renewal_information", "followed_files"
    ).defer(*_HEAVY)


def _summary(gateway: Gateway, found: Attempts, now: datetime.datetime) -> GatewaySummary:
    certificate = gateway.selected_certificate
    warnings = warnings_of(gateway, certificate, found, now)
    tone, status = _standing(certificate, found.last, warnings, now)
    return GatewaySummary(
        gateway=gateway,
        certificate=certificate,
        days_left=days_left(certificate.not_after, now) if certificate else None,
        next_renewal=_next_renewal(gateway, found, now),
        renewal_off=_why_renewal_is_off(gateway, certificate),
        renewal_stopped=_why_renewal_stopped(gateway, found),
        last_issuance=found.last,
        rehearsal=found.rehearsal,
        warnings=warnings,
        why_not=requesting.why_not_at_all(gateway, now),
        tone=tone,
        status=status,
    )


def _next_renewal(gateway: Gateway, found: Attempts, now: datetime.datetime) -> NextRenewal | None:
    certificate = gateway.selected_certificate
    plan = plans.plan(gateway, certificate, found.around, now)
    if plan is None or certificate is None:
        return None
    said = plans.information(certificate)
    url = said.explanation_url if said else ""
    # Another party's text: an address of any other kind is no link of ours.
    safe = url if url.startswith("https://") else ""
    return NextRenewal(plan.at, plan.reason.sentence, plan.is_at_once, safe)


def _why_renewal_stopped(gateway: Gateway, found: Attempts) -> Problem | None:
    backoff = plans.stopped_or_paused(gateway, found.around)
    is_automatic = plans.is_automatic(gateway, gateway.selected_certificate)
    return backoff.problem if backoff and backoff.is_stopped and is_automatic else None


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
