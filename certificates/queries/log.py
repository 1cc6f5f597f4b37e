"""The log by pages. Pages are cut at a line, not at a number, so that a million lines cost
no more than fifty."""

from __future__ import annotations

import dataclasses
import datetime
from urllib.parse import urlencode

from django.db.models import Q, QuerySet

from certificates.models import Event, Gateway, Issuance

LINES_PER_PAGE = 50


@dataclasses.dataclass(frozen=True, slots=True)
class Cut:
    """The last line of a page: the next page holds the lines that are older."""

    at: datetime.datetime
    pk: int

    def __str__(self) -> str:
        return f"{self.at.timestamp():.6f}-{self.pk}"

    @classmethod
    def parse(cls, text: str) -> Cut | None:
        """The inverse of str(); None for anything else."""
        moment, _, pk = text.partition("-")
        try:
            at = datetime.datetime.fromtimestamp(float(moment), datetime.UTC)
            return cls(at, int(pk))
        except (ValueError, OverflowError, OSError):
            return None


@dataclasses.dataclass(frozen=True, slots=True)
class LogPage:
    """Up to fifty lines, newest first, and the query strings of the pages beside them."""

    events: list[Event]
    older_query: str
    newest_query: str
    is_newest: bool


def log_page(*, gateway: Gateway | None, level: str, before: Cut | None) -> LogPage:
    """The lines that are older than the cut. One query."""
    lines = Event.objects.select_related("gateway")
    if gateway is not None:
        lines = lines.filter(gateway=gateway)
    if level:
        lines = lines.filter(level=level)
    found = list(_older(lines, before)[: LINES_PER_PAGE + 1])
    shown = found[:LINES_PER_PAGE]
    parameters = {"gateway": gateway.slug if gateway else "", "level": level}
    older = {**parameters, "before": str(Cut(shown[-1].at, shown[-1].pk))} if shown else {}
    return LogPage(
        events=shown,
        older_query=_query(older) if len(found) > LINES_PER_PAGE else "",
        newest_query=_query(parameters),
        is_newest=before is None,
    )


def newest_events(count: int, gateway: Gateway | None = None) -> list[Event]:
    """The newest lines, of one gateway or of all. One query."""
    lines = Event.objects.select_related("gateway")
    return list((lines if gateway is None else lines.filter(gateway=gateway))[:count])


def events_of(issuance: Issuance) -> list[Event]:
    """What happened in one issuance, oldest first. One query."""
    return list(issuance.events.order_by("at", "pk"))


def _older(lines: QuerySet[Event], cut: Cut | None) -> QuerySet[Event]:
    if cut is None:
        return lines
    # The first condition is implied by the second; it is what lets the index find the place.
    return lines.filter(at__lte=cut.at).filter(Q(at__lt=cut.at) | Q(at=cut.at, pk__lt=cut.pk))


def _query(parameters: dict[str, str]) -> str:
    return urlencode({name: value for name, value in parameters.items() if value})
