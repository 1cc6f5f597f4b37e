"""What the overview shows: the gateways, the worst warnings, the console itself."""

from __future__ import annotations

import dataclasses
import datetime

from django.core.paginator import Page

from certificates.models import Event
from certificates.queries.console import Console, console
from certificates.queries.gateways import GatewaySummary, found_gateways, summaries
from certificates.queries.log import newest_events
from certificates.queries.pages import cut, with_rows
from certificates.queries.warnings import CurrentWarnings, current_warnings

GATEWAYS_SHOWN = 20
PROBLEMS_SHOWN = 5
EVENTS_SHOWN = 8


@dataclasses.dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the first page."""

    page: Page[GatewaySummary]
    warnings: CurrentWarnings
    console: Console
    events: list[Event]


def overview(number: str | None, now: datetime.datetime) -> Overview:
    """That page of gateways with everything around it. Ten queries."""
    console_now = console(now)
    page = cut(found_gateways(), number, GATEWAYS_SHOWN)
    # The gateways of the page and those with warnings are looked into together.
    current = current_warnings(now, console_now, PROBLEMS_SHOWN, shown=list(page))
    rows = summaries(page, now, current.attempted)
    return Overview(with_rows(page, rows), current, console_now, newest_events(EVENTS_SHOWN))
