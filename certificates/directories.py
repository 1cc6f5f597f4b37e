"""What is known of the two CAs' directories: what they offer, whether they answer, their pace.

The circuit breaker's decisions are in policy/ca_health.py; here its state is kept in rows.
"""

from __future__ import annotations

import datetime

from django.conf import settings

from certificates import authority, clock
from certificates.models import Directory
from certificates.policy import ca_health
from certificates.policy.ca_health import CaHealth
from certificates.policy.issuance import Environment
from challenges.problems import legible

# How long the time of the last reading may lag behind.
KEPT_FRESH = datetime.timedelta(minutes=10)


def url_of(environment: Environment) -> str:
    """The configured directory of that environment."""
    configuration = settings.CONFIGURATION
    return str(
        configuration.acme_staging_url
        if environment is Environment.STAGING
        else configuration.acme_production_url
    )


def label_of(url: str) -> str:
    """The configured CA at that address, for a sentence."""
    which = "staging" if url == url_of(Environment.STAGING) else "production"
    return f"{which} environment of the CA"


def known() -> dict[str, Directory]:
    """The rows of the two configured directories, by address. One query."""
    urls = [url_of(environment) for environment in Environment]
    return {row.url: row for row in Directory.objects.filter(url__in=urls)}


def profiles(environment: Environment) -> dict[str, str] | None:
    """What the CA has said of its profiles, by name; None before it was ever asked. One query."""
    row = Directory.objects.filter(url=url_of(environment), read_at__isnull=False).first()
    return {str(name): str(text) for name, text in row.profiles.items()} if row else None


def ask(url: str, now: datetime.datetime) -> authority.Directory:
    """Ask the CA for its directory and keep what it offers.

    Raises ProblemError while the clock is implausible, and what the authority raises.
    """
    clock.require_plausible()
    found = authority.fetch_directory(url, settings.CONFIGURATION.acme_ca_bundle)
    learn(found, now)
    return found


def learn(found: authority.Directory, now: datetime.datetime) -> Directory:
    """Keep what the CA offers, for the pages and for the next order. One query if that is known."""
    offered = {
        "profiles": dict(found.profiles),
        "caa_identities": list(found.caa_identities),
        "has_renewal_information": bool(found.renewal_info),
    }
    row, is_new = Directory.objects.get_or_create(
        url=found.url, defaults={**offered, "read_at": now}
    )
    is_same = all(getattr(row, field) == value for field, value in offered.items())
    is_fresh = row.read_at is not None and abs(now - row.read_at) < KEPT_FRESH
    if not is_new and not (is_same and is_fresh):
        Directory.objects.filter(pk=row.pk).update(**offered, read_at=now)
    return row


def went_away(url: str, now: datetime.datetime, detail: str) -> None:
    """An attempt has found the CA out of reach, so nothing more starts by itself for now."""
    row, _ = Directory.objects.get_or_create(url=url)
    _store(row, ca_health.opened(_health(row), now, seed=url), detail)


def answered(row: Directory, now: datetime.datetime) -> None:
    """A request was answered: an absence is over. No query unless there was one."""
    if row.away_since is not None:
        _store(row, ca_health.probed_ok(_health(row), now))


def probe_due(now: datetime.datetime) -> None:
    """Look once for each CA that is away, if it is time to: one request for its directory."""
    for row in known().values():
        if not ca_health.is_probe_due(_health(row), now):
            continue
        try:
            ask(row.url, now)
        except (
            authority.AcmeError,
            authority.InvalidAnswerError,
            authority.UnreachableError,
        ) as error:
            _still_away(row, now, str(error))
        else:
            answered(row, now)


def away(
    rows: dict[str, Directory], environment: Environment, now: datetime.datetime
) -> Directory | None:
    """That CA if nothing may be started there by itself; else None."""
    row = rows.get(url_of(environment))
    if row is None or ca_health.may_start_automatically(_health(row), now):
        return None
    return row


def is_away(environment: Environment) -> bool:
    """Whether that CA was out of reach when it was last looked for. One query."""
    return Directory.objects.filter(url=url_of(environment), away_since__isnull=False).exists()


def order_slot(row: Directory, now: datetime.datetime) -> datetime.datetime | None:
    """Take the right to send newOrder now; or the moment to ask again, when others come first."""
    slot = ca_health.order_slot(row.next_order_at, now, row.returned_at)
    if slot > now:
        return slot
    if not ca_health.is_gentle(row.returned_at, now):
        return None
    # By a conditional update, so that of several workers one alone gets the second.
    following = now + ca_health.ORDER_SPACING
    taken = Directory.objects.filter(pk=row.pk, next_order_at=row.next_order_at).update(
        next_order_at=following
    )
    return None if taken else following


def _still_away(row: Directory, now: datetime.datetime, detail: str) -> None:
    _store(row, ca_health.probed_failed(_health(row), now, seed=row.url), detail)


def _health(row: Directory) -> CaHealth:
    return CaHealth(
        away_since=row.away_since,
        next_probe_at=row.next_probe_at,
        failed_probes=row.failed_probes,
        returned_at=row.returned_at,
    )


def _store(row: Directory, health: CaHealth, detail: str = "") -> None:
    # Only while nobody else has stored something newer of the same absence.
    Directory.objects.filter(pk=row.pk, next_probe_at=row.next_probe_at).update(
        away_since=health.away_since,
        next_probe_at=health.next_probe_at,
        failed_probes=health.failed_probes,
        returned_at=health.returned_at,
        detail=legible(detail, 1000),
    )
