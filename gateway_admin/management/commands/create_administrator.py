"""Makes an administrator from the command line, on the machine itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser

from certificates import events
from gateway_admin import claiming
from gateway_admin.management.operating import OperatorCommand
from gateway_admin.models import Role, User


class Command(OperatorCommand):
    """`create_administrator NAME --password-file F`."""

    help = "Make an administrator, or give an existing one a new password."

    def add_arguments(self, parser: CommandParser) -> None:
        """A file, since what is on a command line can be read by every user of the machine."""
        super().add_arguments(parser)
        parser.add_argument("name")
        parser.add_argument("--password-file", metavar="F", required=True, type=Path)

    def carry_out(self, options: dict[str, Any]) -> None:
        """Whoever may run this on the machine owns it, so an existing account is taken over."""
        user = User.objects.filter(username=options["name"]).first()
        is_new = user is None
        user = user or User(username=options["name"])
        user.role = Role.ADMINISTRATOR
        user.is_active = True
        password = self._password(options["password_file"])
        try:
            user.full_clean(exclude=["password"])
            validate_password(password, user)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        user.set_password(password)
        user.save()
        claiming.ensure_setup_token()
        what = "was created" if is_new else "has a new password"
        sentence = f"The administrator {user.username} {what}, by the command line."
        events.record("administrator-created" if is_new else "password-changed", sentence)
        self.answer(
            options, {"name": user.username, "role": user.role, "created": is_new}, sentence
        )

    def _password(self, file: Path) -> str:
        try:
            lines = file.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"The password file {file} cannot be read: {error}") from error
        if not lines or not lines[0]:
            raise CommandError(f"The password file {file} is empty.")
        return lines[0]
