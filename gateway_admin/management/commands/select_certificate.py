"""Puts a stored certificate to use."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from certificates import deploying
from gateway_admin.management import documents
from gateway_admin.management.operating import OperatorCommand, certificate, gateway


class Command(OperatorCommand):
    """`select_certificate ID --gateway SLUG`."""

    help = "Use this certificate from now on."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which, and for which gateway."""
        super().add_arguments(parser)
        parser.add_argument("id", type=int)
        parser.add_argument("--gateway", metavar="SLUG")

    def carry_out(self, options: dict[str, Any]) -> None:
        """The same as the button on the certificate's page."""
        row = gateway(options["gateway"])
        chosen = certificate(row, options["id"])
        deploying.select(chosen, row, timezone.now())
        row.refresh_from_db()
        self.answer(
            options,
            {
                "certificate": documents.certificate(chosen),
                "certificate_source": row.certificate_source,
            },
            f"Certificate {chosen.pk} is in use; the source is {row.certificate_source}.",
        )
