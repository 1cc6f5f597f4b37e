"""When each certificate is renewed and each renewal rehearsed: the policy asked with the rows.

What does not depend on failures is stored with the row, so that a sweep over ten thousand
gateways asks the database for the few that are due.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable

from certificates import backoffs, directories
from certificates.models import (
    Backoff,
    Certificate,
    Directory,
    Gateway,
    Origin,
    RenewalInformation,
)
from certificates.policy import rehearsal, renewal, starting
from certificates.policy.issuance import Environment
from certificates.policy.names import identifier_set
from certificates.policy.renewal_info import Window

# An absent CA is looked for every minute when that is due.
AT_LEAST = datetime.timedelta(minutes=1)


@dataclasses.dataclass(frozen=True, slots=True)
class Circumstances:
    """What holds renewals back: failures by set of names, and CAs that are away."""

    backoffs: dict[str, Backoff]
    directories: dict[str, Directory]


def circumstances(gateways: Iterable[Gateway]) -> Circumstances:
    """What holds the renewals of these gateways back. Two queries."""
    sets = [identifier_set(gateway.names) for gateway in gateways]
    return Circumstances(backoffs.by_set(sets), directories.known())


def is_automatic(gateway: Gateway, certificate: Certificate | None) -> bool:
    """Whether the next certificate is asked for by itself: none other is selected manually.

    The first one never is, because a person decides when a gateway is ready for it.
    """
    return gateway.uses_lets_encrypt and certificate is not None


def is_renewed(gateway: Gateway, certificate: Certificate | None) -> bool:
    """Whether that is the renewal of the certificate in use; else it replaces another's."""
    return (
        gateway.uses_lets_encrypt
        and certificate is not None
        and certificate.origin == Origin.LETS_ENCRYPT
    )


def plan(
    gateway: Gateway,
    certificate: Certificate | None,
    around: Circumstances,
    now: datetime.datetime,
) -> renewal.Plan | None:
    """When the gateway's next certificate is asked for by itself and why; None when it is not.

    It is not while automatic attempts are stopped, because the problem cannot pass by itself.
    """
    if certificate is None or not is_automatic(gateway, certificate):
        return None
    backoff = stopped_or_paused(gateway, around)
    if backoff is not None and backoff.is_stopped:
        return None
    retry_not_before = backoffs.holds_until(backoff, around.directories, now)
    ca_away_until = _absent_until(gateway, certificate, backoff, around, now)
    if not is_renewed(gateway, certificate):
        return renewal.first_from_there(
            now, retry_not_before=retry_not_before, ca_away_until=ca_away_until
        )
    return renewal.next_renewal(
        certificate.not_before,
        certificate.not_after,
        window=window(certificate),
        seed=certificate.sha256,
        retry_not_before=retry_not_before,
        ca_away_until=ca_away_until,
    )


def needs_no_test(
    gateway: Gateway,
    in_use: Certificate,
    attempt: int,
    now: datetime.datetime,
    *,
    is_staging_away: bool,
) -> bool:
    """Whether what follows ``in_use`` by itself is asked of the production CA at once.

    That a certificate from elsewhere holds the names proves nothing.
    """
    return starting.may_skip_test(
        attempt,
        is_same_set=in_use.origin == Origin.LETS_ENCRYPT
        and set(in_use.names) == set(gateway.names),
        not_before=in_use.not_before,
        not_after=in_use.not_after,
        is_staging_away=is_staging_away,
        now=now,
    )


def stopped_or_paused(gateway: Gateway, around: Circumstances) -> Backoff | None:
    """The failures of the gateway's set of names, if the last attempt failed."""
    return around.backoffs.get(identifier_set(gateway.names))


def information(certificate: Certificate) -> RenewalInformation | None:
    """What the CA has said about the certificate's renewal. A query unless it was selected."""
    return getattr(certificate, "renewal_information", None)


def window(certificate: Certificate) -> Window | None:
    """The CA's window for the renewal, if it has named one."""
    said = information(certificate)
    if said is None or said.window_start is None or said.window_end is None:
        return None
    return Window(said.window_start, said.window_end)


def schedule(certificate: Certificate) -> None:
    """Store when the certificate is to be renewed, failures aside."""
    wanted = renewal.next_renewal(
        certificate.not_before,
        certificate.not_after,
        window=window(certificate),
        seed=certificate.sha256,
    )
    if certificate.renewal_at != wanted.at:
        certificate.renewal_at = wanted.at
        Certificate.objects.filter(pk=certificate.pk).update(renewal_at=wanted.at)


def is_last_part(gateway: Gateway, now: datetime.datetime) -> bool:
    """Whether the certificate in use is so close to its end that its renewal cannot wait."""
    certificate = gateway.selected_certificate
    return (
        certificate is not None
        and is_automatic(gateway, certificate)
        and renewal.is_last_part(certificate.not_before, certificate.not_after, now)
    )


def lifetime_in_use(gateway: Gateway) -> datetime.timedelta | None:
    """How long the certificate in use is valid altogether; None without one."""
    certificate = gateway.selected_certificate
    return certificate.not_after - certificate.not_before if certificate else None


def rehearse_after_success(gateway: Gateway, now: datetime.datetime) -> None:
    """A certificate, or the proof that one could be had: the next rehearsal can wait."""
    _rehearse_at(gateway, rehearsal.after_success(now, gateway.slug))


def rehearse_after_failure(gateway: Gateway, now: datetime.datetime) -> None:
    """The rehearsal failed: see soon whether it has been mended."""
    _rehearse_at(gateway, rehearsal.after_failure(now, gateway.slug))


def _absent_until(
    gateway: Gateway,
    certificate: Certificate,
    backoff: Backoff | None,
    around: Circumstances,
    now: datetime.datetime,
) -> datetime.datetime | None:
    """When the CA whose absence holds the renewal back is looked for; None when none does.

    Always ahead: a look that is due has not been taken, or the CA would not count as away.
    """
    absent = _absent(gateway, certificate, backoff, around, now)
    if absent is None or absent.next_probe_at is None:
        return None
    return max(absent.next_probe_at, now + AT_LEAST)


def _absent(
    gateway: Gateway,
    certificate: Certificate,
    backoff: Backoff | None,
    around: Circumstances,
    now: datetime.datetime,
) -> Directory | None:
    """The CA whose absence holds the renewal back: staging only where the test comes first."""
    production = directories.away(around.directories, Environment.PRODUCTION, now)
    staging = directories.away(around.directories, Environment.STAGING, now)
    if production is not None or staging is None:
        return production
    attempt = backoff.failures + 1 if backoff else 1
    untested = needs_no_test(gateway, certificate, attempt, now, is_staging_away=True)
    return None if untested else staging


def _rehearse_at(gateway: Gateway, at: datetime.datetime) -> None:
    Gateway.objects.filter(pk=gateway.pk).update(next_rehearsal_at=at)
