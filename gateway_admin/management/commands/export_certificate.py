"""Writes a stored certificate, with its private key if wanted, to a file."""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from certificates import disk, exporting
from certificates.models import Certificate
from gateway_admin.management import documents
from gateway_admin.management.operating import OperatorCommand, password_from

WRONG_USAGE = 2
BY = "the command line"


class Command(OperatorCommand):
    """`export_certificate ID --format pem|pfx --output FILE [--with-key] [--legacy] …`."""

    help = "Export a certificate with its chain, and with its private key if wanted."

    def add_arguments(self, parser: CommandParser) -> None:
        """A file for the password, since others can read a command line."""
        super().add_arguments(parser)
        parser.add_argument("id", type=int)
        parser.add_argument("--format", choices=("pem", "pfx"), required=True)
        parser.add_argument(
            "--output", metavar="FILE", required=True, help="written whole, with mode 0600; or -"
        )
        parser.add_argument(
            "--with-key", action="store_true", help="the private key too; a PFX always has it"
        )
        parser.add_argument(
            "--password-file", metavar="F", type=Path, help="encrypts the key; needed for a PFX"
        )
        parser.add_argument(
            "--legacy", action="store_true", help="a PFX for Windows before 2019 and old Java"
        )

    def carry_out(self, options: dict[str, Any]) -> None:
        """Nothing is made before it is clear that it can be written where it is wanted."""
        _check_usage(options)
        certificate = Certificate.objects.filter(pk=options["id"]).first()
        if certificate is None:
            raise CommandError(f"There is no certificate {options['id']}.")
        output = options["output"]
        file = None if output == "-" else _checked(Path(output))
        content = _content(certificate, options)
        if file is None:
            sys.stdout.buffer.write(content)
            return
        try:
            disk.replace_file(file, content)
        except OSError as error:
            raise CommandError(f"{file} cannot be written: {error.strerror}.") from error
        self.answer(
            options,
            {
                "certificate": documents.certificate(certificate),
                "file": str(file.absolute()),
                "format": options["format"],
                "with_key": _has_key(options),
                "legacy": options["legacy"],
            },
            f"Certificate {certificate.pk} was written to {file}"
            + (", with its private key." if _has_key(options) else ", without its private key."),
        )


def _has_key(options: dict[str, Any]) -> bool:
    return bool(options["with_key"]) or options["format"] == "pfx"


def _check_usage(options: dict[str, Any]) -> None:
    is_pfx, has_password = options["format"] == "pfx", options["password_file"] is not None
    to_output = options["output"] == "-"
    mistakes = {
        "A PFX file needs --password-file.": is_pfx and not has_password,
        "--legacy is for --format pfx alone.": options["legacy"] and not is_pfx,
        "--password-file is for a private key; add --with-key.": (
            has_password and not _has_key(options)
        ),
        "--json and --output - cannot both write to standard output.": (
            to_output and options["json"]
        ),
        "A private key is not shown on a terminal; name a file or use a pipe.": (
            to_output and _has_key(options) and sys.stdout.isatty()
        ),
    }
    for sentence, is_made in mistakes.items():
        if is_made:
            raise CommandError(sentence, returncode=WRONG_USAGE)


def _checked(file: Path) -> Path:
    """A path that is free or holds an ordinary file. Raises CommandError."""
    try:
        mode = file.lstat().st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror}.") from error
    if not stat.S_ISREG(mode):
        # A link is replaced and not followed, and so would a device be.
        raise CommandError(f"{file} exists and is no ordinary file; name another one.")
    return file


def _content(certificate: Certificate, options: dict[str, Any]) -> bytes:
    file = options["password_file"]
    password = password_from(file) if file else None
    if options["format"] == "pfx":
        return exporting.pfx(certificate, password or "", legacy=options["legacy"], by=BY)
    chain = exporting.files(certificate)["fullchain.pem"]
    if not options["with_key"]:
        return chain
    # The key first, as Postfix wants it in a file that holds both.
    return exporting.private_key_pem(certificate, password, by=BY) + chain
