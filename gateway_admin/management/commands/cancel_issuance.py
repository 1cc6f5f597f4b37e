"""Gives a gateway's running issuance up, like the button Cancel."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from certificates import requesting
from gateway_admin.management import documents
from gateway_admin.management.operating import OperatorCommand, gateway


class Command(OperatorCommand):
    """`cancel_issuance [GATEWAY]`."""

    help = "Cancel the issuance or the rehearsal that is running for a gateway."

    def add_arguments(self, parser: CommandParser) -> None:
        """The gateway."""
        super().add_arguments(parser)
        parser.add_argument("gateway", nargs="?", help="its short name (default: default)")

    def carry_out(self, options: dict[str, Any]) -> None:
        """Fails when nothing is running, or the CA is issuing the certificate already."""
        row = gateway(options["gateway"])
        running = requesting.live_issuance(row)
        if running is None:
            raise CommandError(f"No issuance is running for the gateway {row.slug}.")
        requesting.cancel(running, timezone.now())
        running.refresh_from_db()
        self.answer(
            options,
            documents.issuance(running),
            f"Issuance {running.pk} of {row.slug} was cancelled. What is in use stays in use.",
        )
