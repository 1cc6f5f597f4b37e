"""What all operator commands share: a ready data directory, --json, failures in one line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from certificates.models import Certificate, Gateway
from challenges.problems import Problem, ProblemError
from gateway_admin import data_directory

MAX_PASSWORD = 4096  # bytes


class OperatorCommand(BaseCommand):
    """A command of the contract: 0 done, 1 failed (one line on standard error), 2 wrong usage."""

    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Every command answers in JSON when asked."""
        parser.add_argument(
            "--json", action="store_true", help="answer with one JSON document on standard output"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Prepare the data directory, carry out the command, and answer."""
        try:
            self._attempt(options)
        except CommandError as error:
            if not getattr(self, "_called_from_command_line", False):
                raise
            # Django would put the exception's class before the sentence.
            self.stderr.write(str(error))
            sys.exit(error.returncode)

    def _attempt(self, options: dict[str, Any]) -> None:
        data_directory.prepare(settings.CONFIGURATION)
        try:
            self.carry_out(options)
        except ProblemError as error:
            raise CommandError(one_line(error.problem)) from error
        except DatabaseError as error:
            raise CommandError(
                f"The database cannot be used: {str(error).splitlines()[0]}"
            ) from error

    def carry_out(self, options: dict[str, Any]) -> None:
        """Do it; raise CommandError or ProblemError when it fails."""
        raise NotImplementedError

    def answer(self, options: dict[str, Any], document: dict[str, Any], text: str) -> None:
        """The document with --json, else the text."""
        self.stdout.write(json.dumps(document, indent=2) if options["json"] else text)


def one_line(problem: Problem) -> str:
    """A Problem for standard error: what is wrong, and the first thing to do."""
    return " ".join([problem.explanation, *problem.remedy[:1]])


def password_from(file: Path) -> str:
    """The password that a file holds alone, without white space around it. Raises CommandError."""
    try:
        with file.open("rb") as stream:
            password = stream.read(MAX_PASSWORD).decode().strip()
    except OSError as error:
        raise CommandError(f"The password file {file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise CommandError(f"The password file {file} is not UTF-8 text.") from None
    if not password:
        raise CommandError(f"The password file {file} is empty.")
    return password


def content(file: Path, limit: int) -> bytes:
    """What is in a file, at most so many bytes. Raises CommandError."""
    try:
        with file.open("rb") as stream:
            return stream.read(limit)
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error


def certificate(row: Gateway, pk: int) -> Certificate:
    """The gateway's certificate of that number. Raises CommandError."""
    found = Certificate.objects.filter(pk=pk, gateway=row).first()
    if found is None:
        raise CommandError(f"{row.slug} has no certificate {pk}.")
    return found


def gateway(slug: str | None) -> Gateway:
    """The gateway of that slug (the default one without). Raises CommandError."""
    wanted = slug or Gateway.DEFAULT_SLUG
    try:
        return Gateway.objects.select_related("selected_certificate").get(slug=wanted)
    except Gateway.DoesNotExist:
        raise CommandError(
            f"There is no gateway named {wanted}; make it with: "
            f"manage.py configure --gateway {wanted} --hostname NAME"
        ) from None
