"""Shows the log, newest first."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from certificates.models import Event, Level
from gateway_admin.management import documents
from gateway_admin.management.operating import OperatorCommand, gateway


class Command(OperatorCommand):
    """`log [--gateway SLUG] [--level L] [--limit N]`."""

    help = "Show the log, newest first."

    def add_arguments(self, parser: CommandParser) -> None:
        """The same filters as the page, and how many lines."""
        super().add_arguments(parser)
        parser.add_argument("--gateway", metavar="SLUG")
        parser.add_argument("--level", choices=Level.values)
        parser.add_argument("--limit", type=int, default=100, metavar="N")

    def carry_out(self, options: dict[str, Any]) -> None:
        """Read only."""
        events = Event.objects.select_related("gateway")
        if options["gateway"]:
            events = events.filter(gateway=gateway(options["gateway"]))
        if options["level"]:
            events = events.filter(level=options["level"])
        found = list(events[: max(options["limit"], 0)])
        self.answer(
            options,
            {"events": [documents.event(event) for event in found]},
            "\n".join(
                f"{documents.moment(event.at)} {event.level:7} {event.message}" for event in found
            ),
        )
