"""What the challenge port has seen of a CA's visits: the one fact that tells a closed firewall
from a wrong DNS record.
"""

from __future__ import annotations

import datetime
import ipaddress
import time
from collections.abc import Iterable

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from certificates.models import Issuance, Order
from certificates.policy.evidence import Evidence, Visit, parsed
from challenges.models import ChallengeListener, ValidationRequest
from challenges.preflight import machine
from challenges.whereabouts import is_here

# Let's Encrypt comes from a handful of places for each name; more says nothing new.
MOST_VISITS = 500
# A challenge process writes down what has come within a quarter of a second; on SQLite it may
# wait two seconds more for its turn.
SETTLED_AFTER = 2.5
LOOK_EVERY = 0.05
_LOOPBACK = tuple(map(ipaddress.ip_address, ("127.0.0.1", "::1")))


def of(issuance: Issuance) -> Evidence:
    """What came for any of the issuance's orders.

    Three queries, one more for each order under way, and one for visits from this machine.
    """
    return _of(list(issuance.orders.all()), timezone.now())


def of_failed(order: Order) -> Evidence:
    """What came for one order, once the last visits can be expected to be written down.

    Waits up to SETTLED_AFTER seconds, and only where nothing is known to have come.
    """
    deadline = time.monotonic() + SETTLED_AFTER
    while True:
        found = _of([order], timezone.now())
        if found.known or not found.was_watched or time.monotonic() >= deadline:
            return found
        time.sleep(LOOK_EVERY)


def is_watched_since(moment: datetime.datetime, now: datetime.datetime) -> bool:
    """Whether every challenge process has served its port from ``moment`` on without a restart.

    One that was there at that moment and is not any more may have had a visit, too.
    """
    there = moment - ChallengeListener.SILENT_AFTER
    listeners = list(ChallengeListener.objects.filter(seen_at__gte=there))
    return bool(listeners) and all(
        row.port is not None and row.is_alive(now) and row.started_at <= moment for row in listeners
    )


def _of(orders: list[Order], now: datetime.datetime) -> Evidence:
    answered = [order for order in orders if order.challenge_tokens]
    tokens = {token for order in answered for token in order.challenge_tokens}
    if not tokens:
        return Evidence(known=(), unknown=(), was_watched=False)
    since = min(order.created_at for order in answered)
    until = max(order.tokens_withdrawn_at or now for order in answered)
    strangers = ValidationRequest.objects.filter(
        is_known=False, received_at__gte=since, received_at__lte=until
    )
    # Each for itself: a flood of strangers must not displace the CA.
    known = _newest(ValidationRequest.objects.filter(token__in=tokens))
    unknown = _newest(strangers.exclude(token__in=tokens))
    return Evidence(
        known=known,
        unknown=unknown,
        was_watched=all(_was_watched(order, now) for order in answered),
        own_addresses=_own_addresses((*known, *unknown)),
        is_open=any(order.tokens_withdrawn_at is None for order in answered),
    )


def _was_watched(order: Order, now: datetime.datetime) -> bool:
    if order.tokens_withdrawn_at is None:
        return is_watched_since(order.created_at, now)
    return order.was_watched


def _own_addresses(visits: Iterable[Visit]) -> frozenset[str]:
    """Those of the senders' addresses that are this machine's, if a challenge process runs on it.

    In a demonstration the CA has one of them.
    """
    public = settings.CONFIGURATION.public_networks
    own = {*machine.look().addresses, *(() if public else _LOOPBACK)}
    found = frozenset(
        visit.address
        for visit in visits
        if (address := parsed(visit.address)) in own
        and not any(address in network for network in public)
    )
    is_ours = found and any(map(is_here, ChallengeListener.objects.all()))
    return found if is_ours else frozenset()


def _newest(rows: QuerySet[ValidationRequest]) -> tuple[Visit, ...]:
    """The oldest of them first."""
    return tuple(
        Visit(
            at=row.received_at,
            address=row.address,
            is_known=row.is_known,
            user_agent=row.user_agent,
            host=row.host,
            was_sent=row.was_sent,
        )
        for row in reversed(rows.order_by("-received_at")[:MOST_VISITS])
    )
