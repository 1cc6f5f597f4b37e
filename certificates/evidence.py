"""What the challenge port has seen of a CA's visits: the one fact that tells a closed firewall
from a wrong DNS record.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterable

from django.db.models import Q
from django.utils import timezone

from certificates.models import Issuance, Order
from certificates.policy.evidence import Evidence, Visit
from challenges.models import ChallengeListener, ValidationRequest

# Let's Encrypt comes from a handful of places for each name; more says nothing new.
MOST_VISITS = 500
# A challenge process writes down what has come within a quarter of a second.
SETTLED_AFTER = 0.5
LOOK_EVERY = 0.05


def of(issuance: Issuance) -> Evidence:
    """What came for any of the issuance's orders. Three queries."""
    return _of(list(issuance.orders.all()), timezone.now())


def of_failed(order: Order) -> Evidence:
    """What came for one order, once the last visits can be expected to be written down.

    Waits up to half a second, and only where nothing is known to have come.
    """
    deadline = time.monotonic() + SETTLED_AFTER
    while True:
        found = _of([order], timezone.now())
        if found.known or not found.was_watched or time.monotonic() >= deadline:
            return found
        time.sleep(LOOK_EVERY)


def is_watched_since(moment: datetime.datetime, now: datetime.datetime) -> bool:
    """Whether a challenge process has served its port from ``moment`` on without a restart."""
    newest = ChallengeListener.objects.order_by("-seen_at").first()
    return (
        newest is not None
        and newest.port is not None
        and newest.is_alive(now)
        and newest.started_at <= moment
    )


def _of(orders: list[Order], now: datetime.datetime) -> Evidence:
    answered = [order for order in orders if order.challenge_tokens]
    tokens = {token for order in answered for token in order.challenge_tokens}
    if not tokens:
        return Evidence(known=(), unknown=(), was_watched=False)
    since = min(order.created_at for order in answered)
    until = max(order.tokens_withdrawn_at or now for order in answered)
    strangers = Q(is_known=False, received_at__gte=since, received_at__lte=until)
    rows = ValidationRequest.objects.filter(Q(token__in=tokens) | strangers)
    newest = list(rows.order_by("-received_at")[:MOST_VISITS])[::-1]
    return Evidence(
        known=_visits(row for row in newest if row.token in tokens),
        unknown=_visits(row for row in newest if row.token not in tokens),
        was_watched=all(_was_watched(order, now) for order in answered),
    )


def _was_watched(order: Order, now: datetime.datetime) -> bool:
    if order.tokens_withdrawn_at is None:
        return is_watched_since(order.created_at, now)
    return order.was_watched


def _visits(rows: Iterable[ValidationRequest]) -> tuple[Visit, ...]:
    return tuple(
        Visit(
            at=row.received_at,
            address=row.address,
            is_known=row.is_known,
            user_agent=row.user_agent,
            host=row.host,
        )
        for row in rows
    )
