"""Imports a certificate with its chain and key from PEM files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from certificates import deploying, importing
from gateway_admin.management import documents
from gateway_admin.management.operating import OperatorCommand, gateway


class Command(OperatorCommand):
    """`import_certificate FILE… [--gateway SLUG] [--password-file F] [--select]`."""

    help = "Import a certificate, its chain and its private key."

    def add_arguments(self, parser: CommandParser) -> None:
        """The files in any order."""
        super().add_arguments(parser)
        parser.add_argument("files", nargs="+", metavar="FILE", type=Path)
        parser.add_argument("--gateway", metavar="SLUG")
        parser.add_argument("--password-file", metavar="F", type=Path)
        parser.add_argument("--select", action="store_true", help="use it from now on")

    def carry_out(self, options: dict[str, Any]) -> None:
        """Check, store and, if asked, select."""
        row, now = gateway(options["gateway"]), timezone.now()
        password = options["password_file"]
        imported = importing.read_pem(
            [_read(file, importing.MAX_FILE + 1) for file in options["files"]],
            _read(password, 4096).decode(errors="replace").strip() if password else None,
        )
        certificate, notes = deploying.add_imported(row, imported, now)
        if options["select"]:
            deploying.select(certificate, row, now)
        self.answer(
            options,
            {
                "certificate": documents.certificate(certificate),
                "notes": documents.problems(notes),
            },
            f"Imported as certificate {certificate.pk}.",
        )


def _read(file: Path, limit: int) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(limit)
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error
