"""Brings in what a CA has answered to a certificate request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from certificates import applying, importing
from certificates.models import CertificateRequest
from gateway_admin.management import documents
from gateway_admin.management.operating import OperatorCommand, content, one_line


class Command(OperatorCommand):
    """`answer_request ID FILE… [--select]`."""

    help = "Import the certificate that a CA has issued for a certificate request."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which request, and the CA's files in any order and form."""
        super().add_arguments(parser)
        parser.add_argument("id", type=int)
        parser.add_argument("files", nargs="+", metavar="FILE", type=Path)
        parser.add_argument("--select", action="store_true", help="use it from now on")

    def carry_out(self, options: dict[str, Any]) -> None:
        """Check, store and, if asked, select."""
        now = timezone.now()
        found = CertificateRequest.objects.select_related("gateway").filter(pk=options["id"])
        request = found.first()
        if request is None:
            raise CommandError(f"There is no certificate request {options['id']}.")
        files = [content(file, importing.MAX_FILE + 1) for file in options["files"]]
        certificate, notes = applying.answer(request, files, now, select=options["select"])
        self.answer(
            options,
            {
                "certificate": documents.certificate(certificate),
                "notes": documents.problems(notes),
            },
            "\n".join([f"Imported as certificate {certificate.pk}.", *map(one_line, notes)]),
        )
