"""Imports a certificate with its chain and key from files, or all that certbot keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from certificates import adding, applying, deploying, importing, taking_over
from certificates.models import Certificate
from challenges import ports
from challenges.models import NetworkSettings
from challenges.problems import Problem
from gateway_admin.management import documents
from gateway_admin.management.operating import (
    OperatorCommand,
    certificate,
    content,
    gateway,
    one_line,
    password_from,
)


class Command(OperatorCommand):
    """`import_certificate FILE… [--gateway SLUG] [--password-file F] [--replace ID] [--select]`, or
    `import_certificate --from-certbot DIR [--lineage NAME]… [--gateway SLUG] [--select]`.
    """

    help = "Import a certificate, its chain and its private key, or certbot's directory."

    def add_arguments(self, parser: CommandParser) -> None:
        """The files in any order, or a directory."""
        super().add_arguments(parser)
        parser.add_argument("files", nargs="*", metavar="FILE", type=Path)
        parser.add_argument(
            "--from-certbot",
            metavar="DIR",
            type=Path,
            help="take over certificates, keys and account, and say what is renewed here",
        )
        parser.add_argument(
            "--lineage",
            metavar="NAME",
            action="append",
            default=[],
            help="with --from-certbot: only this certificate; may be repeated",
        )
        parser.add_argument("--gateway", metavar="SLUG")
        parser.add_argument("--password-file", metavar="F", type=Path)
        parser.add_argument(
            "--replace",
            metavar="ID",
            type=int,
            help="as a new version of this certificate, in use from now on if any version of it is",
        )
        parser.add_argument("--select", action="store_true", help="use it from now on")

    def carry_out(self, options: dict[str, Any]) -> None:
        """Check, store and, if asked, select."""
        if bool(options["files"]) == bool(options["from_certbot"]):
            raise CommandError("Name either files or --from-certbot DIR.", returncode=2)
        alone = ("lineage",) if options["files"] else ("replace", "password_file")
        if unfit := [name for name in alone if options[name]]:
            option = f"--{unfit[0].replace('_', '-')}"
            raise CommandError(f"{option} does not go together with the rest.", returncode=2)
        if options["from_certbot"]:
            self._take_over(options)
        else:
            self._import(options)

    def _import(self, options: dict[str, Any]) -> None:
        row, now = gateway(options["gateway"]), timezone.now()
        replaced, password = options["replace"], options["password_file"]
        before = None if replaced is None else certificate(row, replaced)
        imported = importing.read(
            [content(file, importing.MAX_FILE + 1) for file in options["files"]],
            password_from(password) if password else None,
            known_keys=applying.known_keys(row),
            now=now,
        )
        # Together: what is to be used and cannot be is not stored either.
        with deploying.changing(row.pk) as held:
            stored, notes = adding.add_imported(held, imported, now, replaces=before)
            if options["select"]:
                deploying.select(stored, held, now)
        self.answer(
            options,
            {
                "certificate": documents.certificate(stored),
                "notes": documents.problems(notes),
            },
            "\n".join([*_told(stored, notes), *map(one_line, notes)]),
        )

    def _take_over(self, options: dict[str, Any]) -> None:
        row = gateway(options["gateway"]) if options["gateway"] else None
        # The default depends on the machine, so it is settled before the first gateway is made.
        NetworkSettings.objects.get_or_create(
            pk=1,
            defaults={"challenge_port": ports.default_port(settings.CONFIGURATION.challenge_host)},
        )
        taken = taking_over.take_over(
            options["from_certbot"],
            timezone.now(),
            gateway=row,
            select=options["select"],
            wanted=options["lineage"],
        )
        self.answer(options, documents.taken_over(taken), "\n".join(_lines(taken)))


def _told(stored: Certificate, notes: list[Problem]) -> list[str]:
    """What was done, unless nothing was: then a note says so."""
    return [] if adding.was_known(notes) else [f"Imported as certificate {stored.pk}."]


def _lines(taken: taking_over.TakenOver) -> list[str]:
    lines: list[str] = []
    for lineage in taken.lineages:
        use = "in use" if lineage.is_in_use else "not in use"
        renewed = "renewed here" if lineage.is_renewed else "not renewed here"
        new = "new gateway" if lineage.is_new_gateway else "gateway"
        number = f"certificate {lineage.certificate.pk}"
        lines.append(f"{lineage.name}: {number} of {new} {lineage.gateway.slug}, {use}, {renewed}.")
        lines += [f"  {one_line(note)}" for note in lineage.notes]
    if taken.account is not None:
        lines.append(f"Account: {taken.account}")
    return lines + [one_line(note) for note in taken.notes]
