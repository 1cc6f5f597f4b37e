"""Makes a certificate request to be sent to a CA; its private key stays here."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from certificates import applying
from certificates.models import CertificateRequest
from certificates.policy.keys import KeyType
from gateway_admin.management import documents
from gateway_admin.management.operating import OperatorCommand, gateway, one_line

_PARTICULARS = tuple(field.name for field in dataclasses.fields(applying.Subject))


class Command(OperatorCommand):
    """`create_request [--gateway SLUG] [--names A,B] [--organization O] … [--output FILE]`."""

    help = "Make a private key, which stays here, and a certificate request for a CA."

    def add_arguments(self, parser: CommandParser) -> None:
        """What stands in the request, and where to write it."""
        super().add_arguments(parser)
        parser.add_argument("--gateway", metavar="SLUG")
        parser.add_argument(
            "--names", metavar="A,B", default="", help="default: all names of the gateway"
        )
        parser.add_argument(
            "--key-type",
            choices=[key_type.value for key_type in KeyType],
            help="default: the gateway's",
        )
        for name in _PARTICULARS:
            parser.add_argument(f"--{name.replace('_', '-')}", metavar="TEXT", default="")
        parser.add_argument("--output", metavar="FILE", type=Path, help="write the request there")

    def carry_out(self, options: dict[str, Any]) -> None:
        """Make and store it; without --output the answer holds the request as well."""
        row = gateway(options["gateway"])
        subject = applying.Subject(**{name: options[name] for name in _PARTICULARS})
        key_type = options["key_type"] or row.key_type
        try:
            # A request that cannot be handed out is none.
            with transaction.atomic():
                request = applying.create(
                    row, [options["names"]], key_type, subject, timezone.now()
                )
                _write(request, options["output"])
        except applying.RequestRejectedError as error:
            raise CommandError(
                "\n".join(
                    f"--{field.replace('_', '-')}: {one_line(problem)}"
                    for field, problem in error.errors.items()
                )
            ) from error
        said = f"Made certificate request {request.pk} for {', '.join(request.names)}."
        text = said if options["output"] else f"{said}\n{request.csr_pem.strip()}"
        self.answer(options, {"request": documents.request(request)}, text)


def _write(request: CertificateRequest, output: Path | None) -> None:
    if output is None:
        return
    try:
        output.write_text(request.csr_pem, encoding="ascii")
    except OSError as error:
        raise CommandError(f"{output} cannot be written: {error.strerror}") from error
