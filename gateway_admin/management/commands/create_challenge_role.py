"""Makes the challenge port's own role in PostgreSQL, or gives an existing one its rights anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from gateway_admin import challenge_role
from gateway_admin.management.operating import OperatorCommand


class Command(OperatorCommand):
    """`create_challenge_role [--role NAME] [--password-file F]`; repeating it is fine."""

    help = (
        "Make a PostgreSQL role for the challenge port that can read tokens and the port, and "
        "report itself, and nothing else."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """A file, since what is on a command line can be read by every user of the machine."""
        super().add_arguments(parser)
        parser.add_argument("--role", metavar="NAME", default=challenge_role.NAME)
        parser.add_argument("--password-file", metavar="F", type=Path)

    def carry_out(self, options: dict[str, Any]) -> None:
        """To be run as a role that owns the tables and may make roles."""
        file: Path | None = options["password_file"]
        try:
            made = challenge_role.ensure(options["role"], _password(file) if file else "")
        except challenge_role.CannotRestrict as error:
            raise CommandError(str(error)) from error
        what = "was made" if made.is_new else "exists already"
        self.answer(
            options,
            {"role": made.name, "created": made.is_new},
            f"The role {made.name} {what}; it has the challenge port's rights and no others.",
        )


def _password(file: Path) -> str:
    try:
        # As DATABASE_PASSWORD_FILE is read.
        password = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"The password file {file} cannot be read: {error}") from error
    if not password:
        raise CommandError(f"The password file {file} is empty.")
    return password
