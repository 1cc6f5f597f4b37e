"""Makes a self-signed certificate, like the button of that name."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from certificates import deploying, self_signing
from gateway_admin.management import documents
from gateway_admin.management.operating import OperatorCommand, gateway, one_line


class Command(OperatorCommand):
    """`create_self_signed [--gateway SLUG] [--select]`."""

    help = "Make a self-signed certificate for all names of a gateway."

    def add_arguments(self, parser: CommandParser) -> None:
        """For which gateway, and whether to use it."""
        super().add_arguments(parser)
        parser.add_argument("--gateway", metavar="SLUG")
        parser.add_argument("--select", action="store_true", help="use it from now on")

    def carry_out(self, options: dict[str, Any]) -> None:
        """Make it and, if asked, select it."""
        row, now = gateway(options["gateway"]), timezone.now()
        # Together: what is to be used and cannot be is not stored either.
        with deploying.changing(row.pk) as held:
            certificate = self_signing.create(held, now)
            if options["select"]:
                deploying.select(certificate, held, now)
        note = self_signing.not_trusted()
        self.answer(
            options,
            {
                "certificate": documents.certificate(certificate),
                "notes": documents.problems([note]),
            },
            f"Made certificate {certificate.pk}. {one_line(note)}",
        )
