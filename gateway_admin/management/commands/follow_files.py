"""Lets a gateway's certificate follow files that another tool renews, or no longer."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from certificates import following
from gateway_admin.management import documents
from gateway_admin.management.operating import OperatorCommand, gateway


class Command(OperatorCommand):
    """`follow_files --certificate PATH [--key PATH] [--gateway SLUG]`, or `--stop`."""

    help = "Use the certificate in these files, now and whenever it changes."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which files, or none any more."""
        super().add_arguments(parser)
        parser.add_argument("--gateway", metavar="SLUG")
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--certificate", metavar="PATH", help="the certificate and its chain")
        what.add_argument("--stop", action="store_true", help="follow none any more")
        parser.add_argument(
            "--key", metavar="PATH", default="", help="unless it is in the certificate's file"
        )

    def carry_out(self, options: dict[str, Any]) -> None:
        """The same as the gateway's page."""
        row, now = gateway(options["gateway"]), timezone.now()
        if options["stop"]:
            if not following.stop(row, now):
                raise CommandError(f"{row.slug} follows no files.")
            self.answer(options, {"followed": None}, f"{row.slug} follows no files any more.")
            return
        followed = following.follow(row, options["certificate"], options["key"], now)
        self.answer(
            options,
            {"followed": documents.followed_files(followed)},
            f"{row.slug} follows {followed.certificate_path} from now on.",
        )
