"""What the challenge process asks and tells the database, apart from looking tokens up.

The wanted port, the listener's row, and the evidence of requests; and the log lines about a
database that is away, one for each time.
"""

from __future__ import annotations

import datetime
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from django.db import DataError, close_old_connections, connections
from django.db import Error as DatabaseFailure
from django.db.models import QuerySet

from challenges import following, ports, tokens
from challenges.following import Report
from challenges.models import ChallengeListener, NetworkSettings, ValidationRequest
from challenges.visits import Visit
from challenges.whereabouts import place

logger = logging.getLogger(__name__)
Outcome = TypeVar("Outcome")

KNOWN_KEPT = datetime.timedelta(days=90)
UNKNOWN_KEPT = datetime.timedelta(days=7)
MOST_UNKNOWN = 500


class Availability:
    """Whether the database answers the threads that ask it; logged when that changes."""

    def __init__(self) -> None:
        self._failing: set[str] = set()
        self._lock = threading.Lock()

    def ask(self, question: Callable[[], Outcome]) -> Outcome | None:
        """What ``question`` returns, or None while the database cannot be asked."""
        name = threading.current_thread().name
        try:
            close_old_connections()
            outcome = question()
        except DatabaseFailure as error:
            self._failed(name, error)
            connections.close_all()
            return None
        self._succeeded(name)
        return outcome

    def _failed(self, name: str, error: Exception) -> None:
        with self._lock:
            if not self._failing:
                logger.error("The database does not answer; trying again: %s", error)
            self._failing.add(name)

    def _succeeded(self, name: str) -> None:
        if name not in self._failing:
            return
        with self._lock:
            self._failing.discard(name)
            if not self._failing:
                logger.warning("The database answers again.")

    def key_authorizations(self, wanted: Collection[str]) -> Mapping[str, str] | None:
        """What to answer for those of ``wanted`` that are published; None: cannot be asked."""
        try:
            return self.ask(lambda: tokens.key_authorizations(wanted))
        except Exception:  # a defect of ours must not end the thread that everybody waits for
            with self._lock:
                if not self._failing:
                    logger.exception("Tokens cannot be looked up; trying again")
                self._failing.add(threading.current_thread().name)
            return None


class Reporter:
    """Reads the wanted port, writes the listener's row and the evidence of requests."""

    def __init__(self, availability: Availability) -> None:
        self.availability = availability
        self.host = socket.gethostname()
        self.place = place()
        self.started_at = datetime.datetime.now(tz=datetime.UTC)
        self.last: tuple[Report, str] | None = None
        self.last_at = float("-inf")

    def wanted_port(self) -> int | None:
        """The configured port, or None while the database cannot be asked."""
        return self.availability.ask(lambda: NetworkSettings.load().challenge_port)

    def tell(self, current: Report, addresses: str) -> None:
        """Write the row if there is something new or the heartbeat is due."""
        now = time.monotonic()
        last = self.last[0] if self.last and self.last[1] == addresses else None
        if not following.is_report_due(last, self.last_at, current, now):
            return
        if self.availability.ask(lambda: self._write(current, addresses)):
            self.last, self.last_at = (current, addresses), now

    def keep(self, visits: Sequence[Visit]) -> bool:
        """Write the evidence of some requests; whether that has worked."""
        rows = [
            ValidationRequest(
                token=made.token,
                is_known=made.is_known,
                was_sent=made.was_sent,
                received_at=made.received_at,
                address=made.address,
                host=made.host,
                user_agent=made.user_agent,
            )
            for made in visits
        ]
        return bool(self.availability.ask(lambda: self._keep(rows)))

    def prune(self) -> None:
        """Drop evidence that is old, and of unknown tokens all but the newest."""
        self.availability.ask(self._prune)

    def _keep(self, rows: Sequence[ValidationRequest]) -> bool:
        try:
            ValidationRequest.objects.bulk_create(rows)
        except DataError as error:  # would be refused again and again
            logger.error("%d validation requests cannot be stored: %s", len(rows), error)
        return True

    def _write(self, current: Report, addresses: str) -> bool:
        row = ChallengeListener(
            host=self.host,
            place=self.place,
            pid=os.getpid(),
            port=current.port,
            addresses=addresses,
            wanted_port=current.wanted_port,
            error=current.error,
            lowest_port=ports.own_lowest_port(),
            started_at=self.started_at,
            seen_at=datetime.datetime.now(tz=datetime.UTC),
        )
        key = ("host", "place")
        changing = [field.name for field in row._meta.fields if field.name not in {"id", *key}]
        try:
            ChallengeListener.objects.bulk_create(
                [row], update_conflicts=True, unique_fields=key, update_fields=changing
            )
        except DataError as error:  # would be refused again and again, and says so once
            if (current, addresses) != self.last:
                logger.error("What this process reports of itself cannot be stored: %s", error)
        return True

    def _prune(self) -> None:
        now = datetime.datetime.now(tz=datetime.UTC)
        # Each kind for itself: neither displaces the other.
        self._prune_unknown(ValidationRequest.objects.filter(is_known=False), now)
        self._prune_unknown(ValidationRequest.objects.filter(is_known=None), now)
        ValidationRequest.objects.filter(received_at__lte=now - KNOWN_KEPT).delete()

    def _prune_unknown(self, unknown: QuerySet[ValidationRequest], now: datetime.datetime) -> None:
        newest = unknown.order_by("-received_at").values_list("received_at", flat=True)
        surplus = newest[MOST_UNKNOWN : MOST_UNKNOWN + 1].first()
        too_old = now - UNKNOWN_KEPT if surplus is None else max(surplus, now - UNKNOWN_KEPT)
        unknown.filter(received_at__lte=too_old).delete()
