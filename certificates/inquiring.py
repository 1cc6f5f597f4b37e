"""Asks the CAs what they have to say unasked: when to renew (RFC 9773), and whether they are back.

None of these questions is signed or counted by a CA's limits for orders.
"""

from __future__ import annotations

import datetime
import time

from django.conf import settings
from django.db.models import QuerySet

from certificates import authority, clock, directories, events, plans, store
from certificates.models import (
    Certificate,
    CertificateSource,
    Directory,
    Level,
    Order,
    OrderStatus,
    Origin,
    RenewalInformation,
)
from certificates.policy import renewal_info
from certificates.policy.issuance import Environment
from certificates.policy.renewal_info import Outcome, Window

# One round, so that a slow CA cannot keep a worker: seconds, and certificates.
ROUND = 20.0
MOST_AT_ONCE = 200


def ask_due(now: datetime.datetime) -> int:
    """Look for absent CAs and ask about the certificates that are due; returns how many."""
    if clock.problem(now):
        return 0
    directories.probe_due(now)
    url = directories.url_of(Environment.PRODUCTION)
    directory = Directory.objects.filter(url=url).first()
    if directory is None or not directory.has_renewal_information or directory.away_since:
        return 0
    _begin_watching(url, now)
    due = list(_due(now).select_related("certificate__renewal_information")[:MOST_AT_ONCE])
    return _ask_all(url, due) if due else 0


def _begin_watching(url: str, now: datetime.datetime) -> None:
    """A row for each certificate in use that this CA has issued and that has none yet."""
    new = _in_use().filter(renewal_information__isnull=True)
    issued = Order.objects.filter(
        issuance__certificate__in=new[:MOST_AT_ONCE].values("pk"),
        environment=Environment.PRODUCTION.value,
        account__directory_url=url,
        status=OrderStatus.VALID,
    ).values_list("issuance__certificate", flat=True)
    RenewalInformation.objects.bulk_create(
        [RenewalInformation(certificate_id=pk, next_check_at=now) for pk in issued],
        ignore_conflicts=True,
    )


def _in_use() -> QuerySet[Certificate]:
    return Certificate.objects.filter(
        origin=Origin.LETS_ENCRYPT,
        selected_by__isnull=False,
        selected_by__certificate_source=CertificateSource.LETS_ENCRYPT,
    )


def _due(now: datetime.datetime) -> QuerySet[RenewalInformation]:
    """Those in use that have not expired; what is further ahead than a day a wrong clock wrote."""
    return RenewalInformation.objects.filter(
        certificate__in=_in_use().values("pk"), certificate__not_after__gt=now
    ).exclude(next_check_at__gt=now, next_check_at__lte=now + renewal_info.LONGEST_CHECK)


def _ask_all(url: str, due: list[RenewalInformation]) -> int:
    asked, deadline = 0, time.monotonic() + ROUND
    with authority.reader(url, settings.CONFIGURATION.acme_ca_bundle) as reader:
        for row in due:
            now = datetime.datetime.now(datetime.UTC)
            if time.monotonic() > deadline or not _claim(row, now):
                continue
            if not _ask(reader, row, now):
                # The CA is busy or away: the others wait as long as this one.
                RenewalInformation.objects.filter(pk__in=[each.pk for each in due[asked:]]).update(
                    next_check_at=row.next_check_at
                )
                break
            asked += 1
    return asked


def _claim(row: RenewalInformation, now: datetime.datetime) -> bool:
    """Take the question, by conditional update: two workers do not ask the same."""
    following = now + renewal_info.USUAL_CHECK
    taken = RenewalInformation.objects.filter(pk=row.pk, next_check_at=row.next_check_at).update(
        next_check_at=following
    )
    return bool(taken)


def _ask(reader: authority.Reader, row: RenewalInformation, now: datetime.datetime) -> bool:
    """Ask about one certificate; returns whether the CA answers at all."""
    certificate = row.certificate
    try:
        answer = reader.renewal_information(store.renewal_id(certificate))
    except authority.UnreachableError:
        _failed(row, now, Outcome.UNREACHABLE, None)
        return False
    except authority.AcmeError as error:
        passing = error.problem.status == 429 or error.problem.status >= 500
        outcome = Outcome.UNREACHABLE if passing else Outcome.UNUSABLE
        _failed(row, now, outcome, error.problem.retry_after)
        return not passing
    except authority.InvalidAnswerError:
        answer = None
    if answer is None:
        _failed(row, now, Outcome.UNUSABLE, None)
    else:
        _store(row, answer, now)
    return True


def _failed(
    row: RenewalInformation,
    now: datetime.datetime,
    outcome: Outcome,
    retry_after: datetime.datetime | None,
) -> None:
    """While the CA is out of reach its window stands; an answer without one means there is none."""
    # Only those that found the CA out of reach: they space the questions.
    failures = row.failures + (outcome is Outcome.UNREACHABLE)
    at = renewal_info.next_check(
        now, outcome, retry_after=retry_after, failures=failures, seed=row.certificate.sha256
    )
    row.next_check_at, row.failures = at, failures
    if outcome is Outcome.UNUSABLE:
        row.window_start = row.window_end = None
        row.explanation_url = ""
    row.save()
    row.certificate.renewal_information = row
    plans.schedule(row.certificate)


def _store(
    row: RenewalInformation, answer: authority.RenewalInformationAnswer, now: datetime.datetime
) -> None:
    certificate, before = row.certificate, row.certificate.renewal_at
    usable = renewal_info.is_usable(Window(answer.window_start, answer.window_end))
    if not usable:
        _failed(row, now, Outcome.UNUSABLE, answer.retry_after)
        return
    row.window_start, row.window_end = answer.window_start, answer.window_end
    row.explanation_url = answer.explanation_url[:500]
    row.checked_at, row.failures = now, 0
    row.next_check_at = renewal_info.next_check(
        now, Outcome.ANSWERED, retry_after=answer.retry_after, seed=certificate.sha256
    )
    row.save()
    certificate.renewal_information = row
    plans.schedule(certificate)
    if before is not None and certificate.renewal_at is not None:
        _record_if_sooner(certificate, before, certificate.renewal_at, row.explanation_url, now)


def _record_if_sooner(
    certificate: Certificate,
    before: datetime.datetime,
    after: datetime.datetime,
    explanation_url: str,
    now: datetime.datetime,
) -> None:
    """A CA that brings the renewal forward by days has a reason, such as a revocation."""
    lifetime = certificate.not_after - certificate.not_before
    if before - after < lifetime / 20:
        return
    events.record(
        "renewal-brought-forward",
        f"The CA asks to renew the certificate for {', '.join(certificate.names)} earlier: "
        f"on {after:%Y-%m-%d %H:%M} UTC instead of {before:%Y-%m-%d %H:%M} UTC.",
        level=Level.WARNING,
        gateway=certificate.gateway,
        detail=f"The CA's explanation: {explanation_url}" if explanation_url else "",
        at=now,
    )
